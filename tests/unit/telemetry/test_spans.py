"""What was committed becomes one connected tree of spans, under the ids that travel in the headers."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from saga_coordinator.contracts import Envelope, Failure, Reply
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.handlers.redrive import DeadLetterRef
from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.telemetry import conventions as names
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.faulty import NO_FAULT, OLGA, Fault, Two, wide
from tests.unit.telemetry._support.made import (
    attribute,
    ids,
    in_header,
    link_ids,
    maker,
    named,
    of_order,
    own,
    parent_ids,
    spans_of,
)
from tests.unit.telemetry._support.story import (
    Participant,
    Relayed,
    Story,
    declining,
    dropped,
    echoed,
    order_cancelled,
    order_placed,
    willing,
)

SHOP = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STRANGE = "00-11111111111111111111111111111111-2222222222222222-01"


def strange(_traceparent: str | None) -> str:
    return STRANGE


def below(traceparent: str | None) -> str | None:
    """A span of the participant's own beneath the one that it was given."""
    return traceparent and f"{traceparent[:36]}aaaaaaaaaaaaaaaa-01"


@pytest.mark.parametrize("incoming", [SHOP, None])
@pytest.mark.parametrize("by", [willing, declining("ship-order"), declining("charge-card")])
@pytest.mark.parametrize("relayed", [echoed, dropped, strange])
def test_an_order_is_one_connected_tree_whatever_participants_do_to_its_context(
    incoming: str | None, by: Participant, relayed: Relayed
) -> None:
    story = Story()
    story.runs(order_placed("o-1", incoming), by=by, relayed=relayed)

    spans = of_order(spans_of(story.turns))

    known = {ids(span) for span in spans}
    roots = [span for span in spans if parent_ids(span) not in known]
    assert story.instance.status.is_final
    assert len(known) == len(spans), "every span has an id of its own"
    assert {own(span).trace_id for span in spans} == {in_header(incoming)[0] if incoming else _of_instance(story)}
    assert [span.name for span in roots] == ["process orders.events.v1"]
    assert parent_ids(roots[0]) == (in_header(incoming) if incoming else None)


def _of_instance(story: Story) -> int:
    return int(story.instance.id.replace("-", ""), 16)


def test_a_send_span_is_the_one_in_the_header_of_what_was_sent() -> None:
    story = Story()
    story.runs(order_placed("o-1", SHOP), by=declining("ship-order"))
    rows = [row for hop in story.transitions for row, _ in hop.sent]
    headers = [(dict(row.headers)["traceparent"] or b"").decode() for row in rows]

    sends = named(spans_of(story.turns), "send ")

    assert [ids(span) for span in sends] == [in_header(header) for header in headers]
    assert [span.name for span in sends] == [f"send {row.topic}" for row in rows]
    assert {span.kind for span in sends} == {SpanKind.PRODUCER}


def test_a_reply_is_processed_beneath_the_span_that_it_came_from() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    taken = story.takes(*story.answers(placed, relayed=below))

    asked = {row.message_id: span for hop in placed.transitions for row, span in hop.sent}
    processed = named(spans_of([taken]), "process ")

    assert len(processed) == 2
    for span, hop in zip(processed, taken.transitions, strict=True):
        theirs = (int(asked[hop.entry.causation_id or ""].trace_id, 16), 0xAAAAAAAAAAAAAAAA)
        assert parent_ids(span) == theirs
        assert link_ids(span) == [theirs]
        assert span.parent is not None
        assert span.parent.is_remote


def test_where_a_participant_drops_the_context_the_command_stands_in_for_it() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    taken = story.takes(*story.answers(placed, relayed=dropped))

    sent = [span for hop in placed.transitions for _, span in hop.sent]
    processed = named(spans_of([taken]), "process ")

    assert [parent_ids(span) for span in processed] == [(int(s.trace_id, 16), int(s.span_id, 16)) for s in sent]
    assert [span.links for span in processed] == [(), ()]
    assert not any(span.parent and span.parent.is_remote for span in processed)


def test_a_foreign_context_is_linked_and_leaves_the_trace_whole() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    taken = story.takes(*story.answers(placed, relayed=strange))

    processed = named(spans_of([taken]), "process ")

    assert {own(span).trace_id for span in processed} == {_of_instance(story)}
    assert [link_ids(span) for span in processed] == [[in_header(STRANGE)]] * 2


def test_a_retry_by_a_timer_starts_a_trace_linked_to_the_start_and_to_pending_commands() -> None:
    story = Story()
    (placed,) = story.takes(order_placed("o-1", SHOP)).transitions
    silent = story.wakes(timedelta(minutes=2))

    wake, send = spans_of([silent])

    asked = [(int(span.trace_id, 16), int(span.span_id, 16)) for _, span in placed.sent]
    root = (in_header(SHOP)[0], int(placed.placement.span.span_id, 16))
    assert wake.name == "wake order-fulfilment"
    assert wake.kind is SpanKind.INTERNAL
    assert wake.parent is None
    assert own(wake).trace_id != in_header(SHOP)[0]
    assert link_ids(wake) == [root, *asked]
    assert parent_ids(send) == ids(wake)
    assert attribute(wake, names.STEP) == "charge-card"
    assert (attribute(send, names.STEP), attribute(send, names.ATTEMPT)) == ("charge-card", 1)


def test_a_step_that_is_asked_again_after_a_failure_says_when() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    taken = story.takes(*story.answers(placed, declining("charge-card", retryable=True)))

    reserved, charged = named(spans_of([taken]), "process ")
    command_state = story.instance.steps["charge-card"].forward

    assert reserved.events == ()
    assert charged.status.status_code is StatusCode.UNSET
    (event,) = charged.events
    assert command_state.due_at is not None
    assert (event.name, dict(event.attributes or {})) == (
        names.EVENT_RETRY,
        {names.DUE_AT: command_state.due_at.isoformat()},
    )


def test_the_summary_spans_the_whole_instance() -> None:
    story = Story()
    story.runs(order_placed("o-1", SHOP))

    (summary,) = named(spans_of(story.turns), "saga ")

    first, last = story.transitions[0], story.transitions[-1]
    assert summary.name == "saga order-fulfilment"
    assert summary.status.status_code is StatusCode.OK
    assert parent_ids(summary) == (in_header(SHOP)[0], int(first.placement.span.span_id, 16))
    assert link_ids(summary) == [(in_header(SHOP)[0], int(last.placement.span.span_id, 16))]
    assert summary.start_time is not None
    assert summary.end_time is not None
    assert summary.end_time - summary.start_time == (last.entry.at - first.entry.at) / timedelta(microseconds=1) * 1000
    assert attribute(summary, names.STATUS) == "completed"
    assert attribute(summary, names.EVENT_TYPE) == "orders.order-confirmed.v1"
    assert attribute(summary, names.CORRELATION_KEY) == "o-1"


def test_a_refusal_and_its_compensations_can_be_seen() -> None:
    story = Story()
    story.runs(order_placed("o-1"), by=declining("ship-order"))
    spans = spans_of(story.turns)

    refused = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    (summary,) = named(spans, "saga ")
    undos = [span for span in named(spans, "send ") if attribute(span, names.DIRECTION) == "compensation"]

    assert [attribute(span, names.STEP) for span in refused] == ["ship-order"]
    assert refused[0].status.description == "ship-order: not today"
    assert attribute(refused[0], names.ERROR_TYPE) == "declined"
    assert [event.name for event in refused[0].events] == [names.EVENT_COMPENSATING]
    assert [attribute(span, names.STEP) for span in undos] == ["reserve-stock", "charge-card"]
    assert all(attribute(span, names.COMPENSATES) for span in undos)
    assert attribute(summary, names.STATUS) == "compensated"
    assert attribute(summary, names.CAUSE_STEP) == "ship-order"
    assert attribute(summary, names.CAUSE_CODE) == "declined"
    assert attribute(summary, names.COMPENSATED_STEPS) == ["reserve-stock", "charge-card"]
    assert [event.name for event in summary.events] == [names.EVENT_COMPENSATION] * 2


def test_each_of_two_refusals_is_an_error() -> None:
    def none(command: Envelope) -> Failure:
        return Failure(code="declined", message=f"no {command.step}", retryable=False)

    story = Story()
    story.runs(order_placed("o-1"), by=none)

    refused = [span for span in spans_of(story.turns) if span.status.status_code is StatusCode.ERROR]

    assert [attribute(span, names.STEP) for span in refused] == ["reserve-stock", "charge-card"]


def test_a_stall_is_an_error() -> None:
    def stubborn(command: Envelope) -> Reply | None:
        if command.direction == "compensation":
            return Failure(code="lost", message="no such reservation", retryable=False)
        return declining("ship-order")(command)

    story = Story()
    story.runs(order_placed("o-1"), by=stubborn)

    errors = [span for span in spans_of(story.turns) if span.status.status_code is StatusCode.ERROR]

    assert story.instance.status is Status.STALLED
    assert [attribute(span, names.ERROR_TYPE) for span in errors] == ["declined", "lost", "lost"]
    assert [event.name for span in errors for event in span.events] == [
        names.EVENT_COMPENSATING,
        names.EVENT_STALLED,
        names.EVENT_STALLED,
    ]
    assert "no such reservation" in (errors[1].status.description or "")


def test_a_cancelled_order_is_no_error() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    story.takes(order_cancelled("o-1"))
    story.runs(*story.answers(placed))

    spans = spans_of(story.turns)

    assert story.instance.status is Status.COMPENSATED
    assert StatusCode.ERROR not in {span.status.status_code for span in spans}
    (cancelled,) = [span for span in spans if attribute(span, names.SIGNAL) == "cancel"]
    assert [event.name for event in cancelled.events] == [names.EVENT_COMPENSATING]


def test_a_duplicate_says_that_it_is_one() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    reply, _ = story.answers(placed)
    story.takes(reply)

    (span,) = spans_of([story.takes(reply)])

    assert attribute(span, names.VERDICT) == "duplicate"
    assert attribute(span, names.REASON) == "duplicate: reserve-stock was answered before"
    assert span.status.status_code is StatusCode.UNSET


def test_nothing_is_made_of_a_trace_that_is_not_sampled() -> None:
    story = Story()
    story.runs(order_placed("o-1", SHOP.removesuffix("1") + "0"), by=declining("ship-order"))
    unsampled = Story(sampler=lambda _: False)
    unsampled.runs(order_placed("o-2"))

    assert spans_of(story.turns + unsampled.turns) == []


def test_making_the_spans_again_gives_the_same_ids() -> None:
    first_run, second_run = (_story_of(3), _story_of(3))

    assert [ids(span) for span in spans_of(first_run.turns)] == [ids(span) for span in spans_of(second_run.turns)]


def _story_of(orders: int) -> Story:
    story = Story()
    story.runs(*(order_placed(f"o-{number}") for number in range(orders)))
    return story


def test_every_span_of_an_instance_names_saga_version_and_instance() -> None:
    story = Story()
    story.runs(order_placed("o-1"), by=declining("ship-order"))

    for span in spans_of(story.turns):
        if span.name.startswith("poll "):
            continue
        assert attribute(span, names.SAGA_NAME) == "order-fulfilment"
        assert attribute(span, names.SAGA_VERSION) == 1
        assert attribute(span, names.INSTANCE_ID) == story.instance.id


def test_every_message_about_a_step_names_it() -> None:
    story = Story()
    story.runs(order_placed("o-1"), by=declining("ship-order"))
    spans = spans_of(story.turns)
    about_steps = [
        span for span in (*named(spans, "send "), *named(spans, "process saga.")) if "outcomes" not in span.name
    ]

    assert len(about_steps) == 10
    for span in about_steps:
        assert attribute(span, names.STEP) in story.instance.steps
        assert attribute(span, names.DIRECTION) in {"forward", "compensation"}
        assert attribute(span, names.ATTEMPT) == 1


def test_messages_are_described_as_the_conventions_ask() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    answers = story.answers(placed)
    (processed, *_) = named(spans_of([story.takes(answers[0])]), "process ")
    (sent, *_) = named(spans_of([placed]), "send ")
    envelope, _ = wire.read(answers[0].headers, answers[0].value)

    assert processed.kind is SpanKind.CONSUMER
    assert {name: value for name, value in (processed.attributes or {}).items() if name.startswith("messaging.")} == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "saga.replies.v1",
        "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": "the-group",
        "messaging.kafka.offset": answers[0].place.offset,
        "messaging.message.id": envelope.id,
        "messaging.message.conversation_id": story.instance.id,
    }
    assert attribute(sent, "messaging.operation.type") == "send"
    assert attribute(sent, "messaging.message.id") == envelope.causation_id
    assert attribute(sent, "cloudevents.event_type") == "inventory.reserve-stock.v1"


def test_children_lie_within_their_parents_and_time_never_runs_back() -> None:
    story = Story()
    turn = story.takes(order_placed("o-1"))
    stepped_back = replace(turn, began=turn.ended, ended=turn.began)

    for given in (turn, stepped_back):
        process, *sends = spans_of([given])
        for span in sends:
            assert process.start_time is not None
            assert process.start_time <= (span.start_time or 0) <= (span.end_time or 0) <= (process.end_time or 0)


def test_a_poll_of_several_messages_is_linked_to_what_they_came_from() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1", SHOP), order_placed("o-2"))

    (poll,) = named(spans_of([placed]), "poll ")

    second = placed.transitions[1].placement.span
    assert poll.name == "poll orders.events.v1"
    assert poll.kind is SpanKind.CLIENT
    assert poll.parent is None
    assert link_ids(poll) == [in_header(SHOP), (int(second.trace_id, 16), int(second.span_id, 16))]
    assert attribute(poll, "messaging.batch.message_count") == 2
    assert attribute(poll, "messaging.operation.type") == "receive"


def test_a_poll_of_one_message_has_no_span_of_its_own() -> None:
    story = Story()

    assert named(spans_of([story.takes(order_placed("o-1"))]), "poll ") == []


def test_a_long_description_is_cut() -> None:
    def talkative(_command: Envelope) -> Failure:
        return Failure(code="declined", message="no " * 1000, retryable=False)

    story = Story()
    story.runs(order_placed("o-1"), by=talkative)

    descriptions = [span.status.description or "" for turn in story.turns for span in maker().spans(turn)]
    assert max(map(len, descriptions)) == 500


async def test_a_redriven_record_is_a_trace_of_its_own_linked_to_the_old_one(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        await it.take(failing, later)
        fault.heal()
        await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        old = {own(span).trace_id for span in spans_of(it.watcher.turns[:-1])}
        spans = spans_of(it.watcher.turns[-1:])

    unparked, first, second, sent = spans
    assert [span.name for span in spans[1:]] == ["process saga.replies.v1"] * 2 + ["send made.commands.v1"]
    assert unparked.name == "unpark made"
    assert [attribute(span, names.REDRIVEN) for span in spans] == [True, True, True, None]
    assert (parent_ids(first), parent_ids(second), parent_ids(sent)) == (None, None, ids(second))
    assert {own(span).trace_id for span in spans}.isdisjoint(old)
    assert {trace_id for trace_id, _ in link_ids(first)} <= old
    assert len(link_ids(first)) >= 2
