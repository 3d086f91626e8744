"""The paragraph of `saga why`: what it promises is what the machine then does."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from saga_coordinator.contracts import Failure
from saga_coordinator.handlers.records import (
    DeadLetter,
    EarlyEvent,
    Place,
    QueuedRecord,
    Record,
    RecordVerdict,
    Verdict,
)
from saga_coordinator.sagas import Cause, alternatives, delay, parallel, series
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    Decision,
    Instance,
    Pause,
    ReplyReceived,
    Signal,
    Start,
    Status,
    TimerFired,
    transition,
)
from saga_coordinator.sagas.testing.scenario import Scenario, given
from saga_coordinator.service.storage.queries import KeptRecord
from saga_coordinator.service.views.why import Case, why
from tests.support import saga_kit
from tests.support.saga_kit import Begun, Did, awaits, compensatable, point_of_no_return, saga
from tests.unit.handlers._support.order_log import Log, attributes, placed_value

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Order:
    """An order on the pure machine, and the paragraph that stands for it."""

    def __init__(self, total: str = "79.98") -> None:
        event = order_fulfilment.starts_on.model_validate_json(placed_value("o-1", total=total))
        self.at = START
        self.decision: Decision[Any] = transition(order_fulfilment, None, Start(START, event))

    @property
    def instance(self) -> Instance[Any]:
        return self.decision.instance

    def hear(self, signal: Signal) -> None:
        self.decision = transition(order_fulfilment, self.instance, signal)

    def wake(self, after: timedelta) -> None:
        """Let time pass, and the timer fire."""
        self.at += after
        self.hear(TimerFired(self.at))

    def answer(self, step: str, *, undo: bool = False) -> None:
        run, step_plan = self.instance.steps[step], order_fulfilment.plan.steps[step]
        command_state, command = (run.compensation, step_plan.undo) if undo else (run.forward, step_plan.command)
        assert command_state is not None
        assert command is not None
        fields = dict.fromkeys(command.reply.model_fields, "x")
        self.hear(ReplyReceived(self.at, command_state.command_id, command.reply.model_validate(fields)))

    def refuse(self, step: str, *, retryable: bool = False, undo: bool = False) -> None:
        run = self.instance.steps[step]
        command_state = run.compensation if undo else run.forward
        assert command_state is not None
        self.hear(
            ReplyReceived(
                self.at, command_state.command_id, Failure(code="sold-out", message="none left", retryable=retryable)
            )
        )

    def why(self, after: timedelta = SECOND, *, is_unpublished: bool = False, kept: Sequence[KeptRecord] = ()) -> str:
        sentences = why(
            Case(
                saga=order_fulfilment,
                instance=self.instance,
                history=(),
                now=self.at + after,
                outcome_topic="saga.order-fulfilment.outcomes.v1",
                is_outcome_unpublished=is_unpublished,
                kept=kept,
            )
        )
        return " ".join(sentences)


def test_a_step_without_retry_counts_as_unknown_after_its_timeout_and_what_was_done_is_undone() -> None:
    order = Order()
    order.answer("charge-card")

    assert (
        "It has waited for reserve-stock (inventory.reserve-stock.v1) since 2026-01-01 12:00:00Z (1 s ago), sent once; "
        "without a reply by 2026-01-01 12:05:00Z it counts as unanswered, "
        "and the instance is compensated, undoing charge-card and reserve-stock."
    ) in order.why()
    order.wake(5 * MINUTE)
    assert order.instance.status == "compensating"
    assert {send.step for send in order.decision.commands} == {"charge-card", "reserve-stock"}


def test_a_step_with_retry_is_asked_again_as_often_as_it_may() -> None:
    order = Order()
    assert "by 2026-01-01 12:02:00Z it is sent again under the same id, 4 times in all." in order.why()

    order.wake(2 * MINUTE)

    assert [send.step for send in order.decision.commands] == ["charge-card"]
    assert "It has waited for charge-card (payments.charge-card.v1) since 2026-01-01 12:02:00Z" in order.why()
    assert "sent 2 times; without a reply by 2026-01-01 12:04:00Z" in order.why()


def test_a_retryable_failure_is_asked_again_under_a_new_id() -> None:
    order = Order()
    order.refuse("charge-card", retryable=True)

    shown = order.why()
    due = order.instance.steps["charge-card"].forward.due_at

    assert due is not None
    assert f"was refused for the moment, sent once; it is sent again at {due:%Y-%m-%d %H:%M:%S}Z" in shown


def test_the_deadline_is_shown_until_the_pivot_is_sent() -> None:
    order = Order()
    assert (
        "If ship-order has not been sent by 2026-01-03 12:00:00Z, the instance is compensated once reserve-stock and "
        in order.why()
    )

    order.answer("reserve-stock")
    order.answer("charge-card")

    shown = order.why()
    assert "has not been sent" not in shown
    assert "by 2026-01-01 18:00:00Z it is sent again under the same id, until it answers." in shown


def test_while_compensating_it_shows_the_cause_and_the_next_step_of_a_compensation() -> None:
    order = Order()
    order.answer("charge-card")
    order.refuse("reserve-stock")

    shown = order.why()

    assert "It is being compensated because reserve-stock failed with sold-out: none left." in shown
    assert "It has waited for the compensation of charge-card (payments.refund-card.v1) since" in shown
    assert "it is sent again under the same id, 12 times in all." in shown


def test_a_sibling_in_flight_is_awaited_before_anything_is_undone() -> None:
    order = Order()
    order.refuse("reserve-stock")

    assert "It has waited for charge-card" in order.why()
    assert "by 2026-01-01 12:02:00Z it counts as unanswered, and is undone too." in order.why()
    order.wake(2 * MINUTE)
    assert [send.step for send in order.decision.commands] == ["charge-card"]


def test_a_pause_is_shown_and_promises_no_time() -> None:
    order = Order()
    order.hear(Pause(START, "kim", "warehouse moves"))

    shown = order.why()

    assert "An operator paused it 2026-01-01 12:00:00Z (1 s ago)" in shown
    assert "without a reply by" not in shown
    assert "If ship-order has not been sent by 2026-01-03 12:00:00Z, the instance is compensated" in shown
    assert "when it is resumed." in shown


def test_an_overdue_timer_asks_whether_the_service_runs() -> None:
    assert "and has not fired: is `saga serve` running?" in Order().why(after=HOUR)
    assert "has not fired" not in Order().why(after=MINUTE)


def test_the_end_is_shown_with_its_reason_and_its_outcome() -> None:
    done, cancelled = Order(), Order()
    for step in ("reserve-stock", "charge-card", "ship-order", "notify-customer"):
        done.answer(step)
    cancelled.hear(Cancel(START, "orders.order-cancelled.v1"))
    for step in ("reserve-stock", "charge-card"):
        cancelled.refuse(step)

    assert "every step that it needed has succeeded: reserve-stock, charge-card, ship-order and notify" in done.why()
    assert "was published to saga.order-fulfilment.outcomes.v1" in done.why()
    assert "is not yet published to saga.order-fulfilment.outcomes.v1" in done.why(is_unpublished=True)
    assert "it was cancelled: orders.order-cancelled.v1. There was nothing to undo." in cancelled.why()


def test_a_passed_deadline_and_an_unanswered_step_are_shown_as_such() -> None:
    late, silent = Order("2000.00"), Order()
    for step in ("reserve-stock", "charge-card"):
        late.answer(step)
    late.wake(48 * HOUR)
    silent.wake(5 * MINUTE)

    assert "It is being compensated because its deadline passed: not past the pivot within 2 days." in late.why()
    assert (
        "It is being compensated because reserve-stock did not answer: no answer within 5 min, sent once"
        in silent.why()
    )


def test_a_stalled_instance_says_what_stopped_it_what_is_not_undone_and_that_an_operator_decides() -> None:
    order = Order()
    order.answer("charge-card")
    order.refuse("reserve-stock")
    order.refuse("charge-card", undo=True)

    shown = order.why()

    assert "because charge-card failed with sold-out: its compensation failed: none left." in shown
    assert "It was being compensated because reserve-stock failed with sold-out: none left." in shown
    assert "Rollback incomplete, not undone: charge-card." in shown
    assert "an operator has to decide" in shown


def test_a_stall_by_the_definition_names_its_remedy() -> None:
    order = Order()
    order.hear(Block(START, Cause(None, "definition-raised", "KeyError: 'x'")))

    assert "Correct the function of the saga that raised." in order.why()


# --- what follows is what the machine then does, also within alternatives


def explained(story: Scenario[saga_kit.Data]) -> str:
    """The paragraph of an instance of any saga, a second later."""
    case = Case(
        saga=story.saga,
        instance=story.instance,
        history=(),
        now=story.at + SECOND,
        outcome_topic="outcomes",
        is_outcome_unpublished=False,
    )
    return " ".join(why(case))


PAID, A, B, C = awaits("paid"), compensatable("a"), compensatable("b"), compensatable("c")
PIVOT = point_of_no_return()


def test_an_event_that_nobody_sends_ends_the_instance_or_lets_the_next_alternative_be_tried() -> None:
    alone = given(saga(PAID, PIVOT), Begun())
    first = given(saga(alternatives(PAID, A, name="paid-or-a"), PIVOT), Begun())
    done = given(saga(alternatives(series(A, PAID), B), PIVOT), Begun()).replies("a", Did())

    assert "the instance ends compensated, with nothing to undo." in explained(alone)
    alone.passes(MINUTE).ends(Status.COMPENSATED)
    assert "the alternative is given up, and the next one is tried: a." in explained(first)
    first.passes(MINUTE).expects("a")
    assert "the alternative is given up, a is undone, and the next one is tried: b." in explained(done)
    done.passes(MINUTE).undoes("a").undone("a").expects("b")


def test_an_alternative_without_a_reply_is_undone_and_the_last_one_is_the_instance() -> None:
    first = given(saga(C, alternatives(A, B), PIVOT), Begun()).replies("c", Did())
    last = first.fails("a", code="no")

    assert "it counts as unanswered, and the alternative is given up, a is undone, and the next" in explained(first)
    assert "it counts as unanswered, and the instance is compensated, undoing b and c." in explained(last)


def test_the_end_of_a_delay_is_shown_with_what_follows() -> None:
    last = given(saga(delay("rest", lasts=MINUTE)), Begun())
    between = given(saga(delay("rest", lasts=MINUTE), PAID, PIVOT), Begun())
    before = given(saga(delay("rest", lasts=MINUTE), PIVOT), Begun())

    assert "ends at 2026-01-01 00:01:00Z; then the instance ends completed." in explained(last)
    assert "; then the instance waits for paid." in explained(between)
    assert "; then the instance continues by pivot." in explained(before)
    assert "; then" not in explained(before.pauses())


# --- records that have come, and have not reached the instance

EARLY = EarlyEvent("here", Record(Place("a", 0, 1), 0, b"k", b"{}", ()), START, START + HOUR)


def test_a_record_that_came_is_shown_at_the_wait_that_it_belongs_to() -> None:
    story = given(saga(parallel(A, PAID), PIVOT), Begun())
    command = story.instance.steps["a"].forward.command_id
    reply = Log().record("saga.replies.v1", "k-1", b"{", tuple(attributes("1", "x", ce_causationid=command).items()))
    event = Log().event(saga_kit.Paid(), "k-1")
    case = Case(
        saga=story.saga,
        instance=story.instance,
        history=(),
        now=story.at,
        outcome_topic="outcomes",
        is_outcome_unpublished=False,
        kept=[
            DeadLetter(reply, story.at, "it is no JSON.", story.instance.id),
            QueuedRecord(1, story.instance.id, reply, story.at),
            DeadLetter(reply, story.at, "it is no JSON", story.instance.id, parks=True),
            DeadLetter(event, story.at, "word: Input should be a valid string"),
            RecordVerdict(
                event.place, story.at, Verdict.UNMATCHED, "nobody waited", "1", saga_kit.Paid.message_type, None
            ),
        ],
    )

    sentences = why(case)

    at_a = next(number for number, each in enumerate(sentences) if each.startswith("It has waited for a "))
    assert sentences[at_a + 1 : at_a + 4] == (
        (
            "A reply came 2026-01-01 00:00:00Z (0 ms ago) and is dead-lettered: it is no JSON. "
            "See `saga dead-letters show saga.replies.v1:0:0`."
        ),
        "A reply has come (saga.replies.v1:0:0), and is queued.",
        "A reply has come (saga.replies.v1:0:0), and the instance is parked behind it.",
    )
    assert sentences[at_a + 4].startswith("It has waited for the event made.paid.v1 (paid)")
    assert sentences[at_a + 5 : at_a + 7] == (
        (
            "One came 2026-01-01 00:00:00Z (0 ms ago) and is dead-lettered: word: Input should be a valid string. "
            "See `saga dead-letters show made.events.v1:0:0`."
        ),
        "One came 2026-01-01 00:00:00Z (0 ms ago) (made.events.v1:0:0) and is unmatched: nobody waited.",
    )


def test_a_reply_that_could_not_be_read_is_shown_after_its_step_was_given_up() -> None:
    order = Order()
    order.answer("charge-card")
    command = order.instance.steps["reserve-stock"].forward.command_id
    order.wake(5 * MINUTE)
    headers = tuple(attributes("1", "x", ce_causationid=command).items())
    reply = Log().record("saga.replies.v1", "o-1", b"{", headers)

    assert "A reply of reserve-stock came 2026-01-01 12:00:00Z" in order.why(kept=[DeadLetter(reply, START, "no JSON")])
    event = replace(EARLY, record=Log().event(saga_kit.Paid(), "o-1"))
    assert (
        "made.paid.v1 has come (made.events.v1:0:0), and is buffered until 2026-01-01 13:00:00Z. "
        "It is applied when the instance waits for it."
    ) in order.why(kept=[event])
