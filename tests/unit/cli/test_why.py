"""The paragraph of `saga why`: what it promises is what the machine then does."""

from datetime import UTC, datetime, timedelta
from typing import Any

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas import Cause
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
    TimerFired,
    transition,
)
from saga_coordinator.service.views.why import Case, why
from tests.unit.handlers._support.order_log import placed_value

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

    def why(self, after: timedelta = SECOND, *, is_unpublished: bool = False) -> str:
        sentences = why(
            Case(
                saga=order_fulfilment,
                instance=self.instance,
                history=(),
                now=self.at + after,
                outcome_topic="saga.order-fulfilment.outcomes.v1",
                is_outcome_unpublished=is_unpublished,
            )
        )
        return " ".join(sentences)


def test_a_step_without_retry_counts_as_unknown_after_its_timeout_and_what_was_done_is_undone() -> None:
    order = Order()
    order.answer("charge-card")

    assert (
        "It waits for reserve-stock (inventory.reserve-stock.v1) since 2026-01-01 12:00:00Z (1 s ago), sent once; "
        "without a reply by 2026-01-01 12:05:00Z it counts as unknown, "
        "and what was done is undone: charge-card and reserve-stock."
    ) in order.why()
    order.wake(5 * MINUTE)
    assert order.instance.status == "compensating"
    assert {send.step for send in order.decision.commands} == {"charge-card", "reserve-stock"}


def test_a_step_with_retry_is_asked_again_as_often_as_it_may() -> None:
    order = Order()
    assert "by 2026-01-01 12:02:00Z it is sent again under the same id, 4 times in all." in order.why()

    order.wake(2 * MINUTE)

    assert [send.step for send in order.decision.commands] == ["charge-card"]
    assert "It waits for charge-card (payments.charge-card.v1) since 2026-01-01 12:02:00Z" in order.why()
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
    assert "If ship-order has not been sent by 2026-01-03 12:00:00Z, what was done is undone" in order.why()

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

    assert "It is compensated because reserve-stock failed with sold-out: none left." in shown
    assert "It waits for the compensation of charge-card (payments.refund-card.v1) since" in shown
    assert "it is sent again under the same id, 12 times in all." in shown


def test_a_sibling_in_flight_is_awaited_before_anything_is_undone() -> None:
    order = Order()
    order.refuse("reserve-stock")

    assert "It waits for charge-card" in order.why()
    assert "by 2026-01-01 12:02:00Z it counts as unknown, and is undone too." in order.why()
    order.wake(2 * MINUTE)
    assert [send.step for send in order.decision.commands] == ["charge-card"]


def test_a_pause_is_shown_and_promises_no_time() -> None:
    order = Order()
    order.hear(Pause(START, "kim", "warehouse moves"))

    shown = order.why()

    assert "An operator paused it 2026-01-01 12:00:00Z (1 s ago)" in shown
    assert "without a reply by" not in shown


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
    assert "it was cancelled (orders.order-cancelled.v1). There was nothing to undo." in cancelled.why()


def test_a_passed_deadline_and_an_unanswered_step_are_shown_as_such() -> None:
    late, silent = Order("2000.00"), Order()
    for step in ("reserve-stock", "charge-card"):
        late.answer(step)
    late.wake(48 * HOUR)
    silent.wake(5 * MINUTE)

    assert "It is compensated because its deadline passed: not past the pivot within 2 days." in late.why()
    assert "It is compensated because reserve-stock did not answer: no answer within 5 min, sent once" in silent.why()


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
