"""The trace of an order: one connected tree, whatever its participants do with the context that they are given."""

from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import OutboxMessage, TransitionRecord
from saga_coordinator.handlers.trace_context import SpanContext, parse
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import Log, header, instance_id

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
INCOMING = f"00-{TRACE}-{SPAN}-01"
FOREIGN = "00-ffffffffffffffffffffffffffffffff-eeeeeeeeeeeeeeee-01"
CHARGE = "payments.charge-card.v1"


def context(message: OutboxMessage) -> SpanContext:
    """The context in a message's headers."""
    found = parse(header(message, "traceparent"))
    assert found is not None
    return found


def last_hop(it: Coordinator) -> TransitionRecord:
    return it.watcher.turns[-1].transitions[-1]


async def test_a_start_goes_on_with_the_trace_of_its_event(coordinator: Coordinator) -> None:
    await coordinator.take(Log().placed(traceparent=INCOMING))
    hop = last_hop(coordinator)
    assert hop.placement.parent == SpanContext(TRACE, SPAN, sampled=True)
    assert hop.placement.links == (SpanContext(TRACE, SPAN, sampled=True),)
    assert hop.placement.span.trace_id == TRACE
    assert {context(row).trace_id for row in coordinator.messages} == {TRACE}
    assert [context(row) for row in coordinator.messages] == [span for _, span in hop.sent]
    assert len({hop.placement.span.span_id, SPAN, *(context(row).span_id for row in coordinator.messages)}) == 4
    assert coordinator.rows("SELECT trace_id, span_id FROM history") == [(TRACE, hop.placement.span.span_id)]


async def test_the_tracestate_is_passed_on_with_its_trace_also_after_a_restart(tmp_path: Path) -> None:
    log, path = Log(), tmp_path / "saga.db"
    placed = log.placed(traceparent=INCOMING)
    placed = placed._replace(headers=(*placed.headers, ("tracestate", b"shop=1,other=a")))
    async with open_coordinator(path) as it:
        await it.take(placed)
        commands = it.messages
        assert {header(row, "tracestate") for row in commands} == {"shop=1,other=a"}
    async with open_coordinator(path) as it:
        await it.take(log.answer(commands[0]), log.answer(commands[1], traceparent=""))
        assert [header(row, "tracestate") for row in it.messages] == ["shop=1,other=a"]
        bank = log.answer(it.messages[0], tracestate="bank=2")
        await it.take(bank)
        assert header(it.messages[1], "tracestate") == "bank=2", "a reply in the trace brings its own"


@pytest.mark.parametrize(
    ("traceparent", "tracestate"), [("", "shop=1"), ("nonsense", "shop=1"), (INCOMING, "x" * 513), (INCOMING, "a\t=1")]
)
async def test_a_tracestate_that_is_malformed_or_has_no_trace_is_dropped(
    coordinator: Coordinator, traceparent: str, tracestate: str
) -> None:
    placed = Log().placed(traceparent=traceparent)
    await coordinator.take(placed._replace(headers=(*placed.headers, ("tracestate", tracestate.encode()))))
    assert {header(row, "tracestate") for row in coordinator.messages} == {None}


async def test_without_a_context_the_trace_has_the_id_of_the_instance(coordinator: Coordinator) -> None:
    await coordinator.take(Log().placed())
    hop = last_hop(coordinator)
    assert (hop.placement.parent, hop.placement.links) == (None, ())
    assert hop.placement.span.trace_id == instance_id("o-1").replace("-", "")


@pytest.mark.parametrize(
    "malformed",
    [
        "nonsense",
        INCOMING.upper(),
        INCOMING[:-1],
        f"{INCOMING}-more",
        f" {INCOMING}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-é1",
    ],
)
async def test_a_malformed_context_is_as_good_as_none_i41(coordinator: Coordinator, malformed: str) -> None:
    log = Log()
    await coordinator.take(log.placed(traceparent=malformed))
    own = instance_id("o-1").replace("-", "")
    assert {context(row).trace_id for row in coordinator.messages} == {own}
    await coordinator.take(log.answer(coordinator.messages[0], traceparent=malformed))
    assert last_hop(coordinator).placement.parent == context(coordinator.messages[0])


@pytest.mark.parametrize("later", [f"01-{TRACE}-{SPAN}-01", f"42-{TRACE}-{SPAN}-09-what-may-come"])
def test_a_context_of_a_later_version_is_read(later: str) -> None:
    assert parse(later) == SpanContext(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
async def test_the_senders_choice_whether_to_sample_is_kept(
    coordinator: Coordinator, flags: str, *, sampled: bool
) -> None:
    log = Log()
    await coordinator.take(log.placed(traceparent=f"00-{TRACE}-{SPAN}-{flags}"))
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    assert {context(row).sampled for row in coordinator.messages} == {sampled}


async def test_a_reply_stands_beneath_the_span_that_it_brings(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed(traceparent=INCOMING))
    inner = f"00-{TRACE}-1234567890abcdef-01"
    await coordinator.take(log.answer(coordinator.messages[0], traceparent=inner))
    placement = last_hop(coordinator).placement
    assert placement.parent == parse(inner)
    assert placement.links == (parse(inner),)
    assert placement.span.trace_id == TRACE


async def test_a_reply_without_context_stands_beneath_the_command_that_it_answers(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed(traceparent=INCOMING))
    await coordinator.take(log.answer(coordinator.messages[1], traceparent=""))
    placement = last_hop(coordinator).placement
    assert placement.parent == context(coordinator.messages[1])
    assert placement.links == ()


async def test_a_reply_with_a_foreign_context_is_linked_to_it_and_stays_in_its_trace(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed(traceparent=INCOMING))
    await coordinator.take(log.answer(coordinator.messages[1], traceparent=FOREIGN))
    placement = last_hop(coordinator).placement
    assert placement.parent == context(coordinator.messages[1])
    assert placement.links == (parse(FOREIGN),)
    assert placement.span.trace_id == TRACE


async def test_a_timer_starts_a_new_trace_linked_to_the_start_and_to_pending_commands(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed(traceparent=INCOMING))
    start = last_hop(coordinator).placement.span
    reserve, charge = coordinator.messages
    coordinator.clock.pass_by(timedelta(minutes=2))
    await coordinator.fire_due()
    placement = last_hop(coordinator).placement
    assert placement.parent is None
    assert placement.links == (start, context(reserve), context(charge))
    assert placement.span.trace_id not in {TRACE, instance_id("o-1").replace("-", "")}
    again = coordinator.sent(CHARGE)[-1]
    assert context(again).trace_id == placement.span.trace_id

    await coordinator.take(log.answer(again))
    assert last_hop(coordinator).placement.span.trace_id == placement.span.trace_id
    await coordinator.take(log.answer(reserve))
    assert last_hop(coordinator).placement.span.trace_id == TRACE


async def test_a_reply_after_a_long_wait_begins_a_new_trace_linked_to_both(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed(traceparent=INCOMING))
    start = last_hop(coordinator).placement.span
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    ship = coordinator.messages[-1]
    coordinator.clock.pass_by(timedelta(hours=5))
    await coordinator.take(log.answer(ship))
    placement = last_hop(coordinator).placement
    assert placement.parent is None
    assert placement.links == (context(ship), start, context(ship))
    assert placement.span.trace_id != TRACE


async def test_the_same_story_makes_the_same_spans(tmp_path: Path) -> None:
    """A repeated transition shows as the same spans, not as new ones."""
    spans = []
    for name in ("one", "other"):
        log = Log()
        async with open_coordinator(tmp_path / f"{name}.db") as it:
            await it.take(log.placed())
            await it.take(*(log.answer(command) for command in it.messages))
            spans.append(
                [
                    (hop.placement, [span for _, span in hop.sent])
                    for turn in it.watcher.turns
                    for hop in turn.transitions
                ]
            )
    assert spans[0] == spans[1]


async def test_a_trail_survives_a_restart(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db") as it:
        await it.take(log.placed(traceparent=INCOMING))
        charge = it.messages[1]
    async with open_coordinator(tmp_path / "saga.db") as it:
        await it.take(log.answer(charge, traceparent=""))
        assert last_hop(it).placement.parent == context(charge)
        assert last_hop(it).root.trace_id == TRACE
