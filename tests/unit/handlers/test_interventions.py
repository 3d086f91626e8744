"""An operator action is a signal in its own transaction: recorded with actor and reason, or refused with a reason."""

import json
from datetime import datetime

import pytest

from saga_coordinator.contracts import Done
from saga_coordinator.contracts.messages.shipping import OrderShipped
from saga_coordinator.sagas.machine import Cancel, Ignored, OperatorAction, Pause, Resume, RetryStep, SkipStep
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import Log, instance_id

ORDER = instance_id("o-1")


async def decided(it: Coordinator, signal: type[Pause | Resume]) -> Ignored | None:
    """Pause or resume as an operator."""
    decision = await it.operator.act(ORDER, lambda now: signal(now, "olga", "to look at it"))
    assert decision is not None
    return decision.ignored


async def test_an_action_is_in_the_history_with_actor_and_reason(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    assert await decided(coordinator, Pause) is None
    ((kind, verdict, value),) = coordinator.rows("SELECT kind, verdict, value FROM history WHERE seq = 2")
    assert (kind, verdict) == ("pause", "applied")
    assert json.loads(value) == {"who": "olga", "why": "to look at it"}
    assert (await coordinator.stored(ORDER)).instance.paused_at == coordinator.clock.now()


async def test_an_impossible_action_is_refused_with_a_reason_and_recorded(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    decision = await coordinator.operator.act(ORDER, lambda now: Resume(now, "olga", "go on"))
    assert decision is not None
    assert (decision.ignored, decision.reason) == (Ignored.OUT_OF_PLACE, "the instance is not paused")
    assert coordinator.rows("SELECT kind, verdict FROM history WHERE seq = 2") == [("resume", "ignored")]


async def test_a_skip_sends_what_comes_next_and_keeps_its_reply(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    shipped = OrderShipped(tracking="T-9")
    await coordinator.operator.act(ORDER, lambda now: SkipStep(now, "olga", "sent by hand", "ship-order", shipped))
    assert coordinator.types()[-1] == "notifications.notify-customer.v1"
    ((value,),) = coordinator.rows("SELECT value FROM history WHERE kind = 'skip'")
    assert json.loads(value)["reply"] == {"type": "shipping.order-shipped.v1", "value": {"tracking": "T-9"}}


async def test_a_cancel_of_an_operator_compensates_and_names_the_actor(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    await coordinator.operator.act(ORDER, lambda now: Cancel(now, "fraud", "olga"))
    cause = (await coordinator.stored(ORDER)).instance.cause
    assert cause is not None
    assert cause.message == "fraud (olga)"


async def test_an_action_is_applied_after_records_processed_meanwhile(coordinator: Coordinator) -> None:
    """The cache can be stale: the action is decided again on the newest state."""
    log = Log()
    await coordinator.take(log.placed())
    coordinator.execute("UPDATE instance SET revision = 7")
    decision = await coordinator.operator.act(ORDER, lambda now: RetryStep(now, "olga", "now", "charge-card"))
    assert decision is not None
    assert decision.ignored is None
    assert coordinator.rows("SELECT revision FROM instance") == [(8,)]


async def test_an_action_on_which_the_definition_raises_changes_nothing(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    before = coordinator.everything()

    def broken(now: datetime) -> OperatorAction:
        raise RuntimeError(f"no action at {now}")

    with pytest.raises(RuntimeError, match="no action"):
        await coordinator.operator.act(ORDER, broken)
    assert coordinator.everything() == before


async def test_an_action_for_an_unknown_instance_returns_none(coordinator: Coordinator) -> None:
    assert (
        await coordinator.operator.act(ORDER, lambda now: SkipStep(now, "olga", "done", "ship-order", Done())) is None
    )
