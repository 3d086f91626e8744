"""Invariants of what is received: remembered once, and copies and a crash change nothing (I3, I5, I10)."""

from collections.abc import Iterator
from typing import Any

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import (
    EventReceived,
    ReplyReceived,
    SkipStep,
    WaitState,
    freeze,
    thaw,
)
from saga_coordinator.sagas.testing.invariants.ledger import COMPENSATION, Ledger
from saga_coordinator.sagas.testing.invariants.observation import Observation, is_abandoned


def i10_a_success_is_remembered_once(seen: Observation) -> Iterator[str]:
    """The data change by what was received, when it is received, and not after its undo was sent."""
    if seen.before is None:
        return
    expected, found = _remembered(seen, seen.before), seen.after.instance.data
    if found != expected:
        yield f"it remembers {found!r}, not {expected!r}"


def _remembered(seen: Observation, before: Ledger) -> Any:  # noqa: ANN401  the data
    data, signal = before.instance.data, seen.signal
    match signal:
        case EventReceived() if not seen.decision.ignored:
            waits = seen.after.instance.waits
            taken = [name for name in waits if before.is_awaited(name) and _event_of(waits[name]) == _event_of(signal)]
            return _by_receive(before, taken[0], signal.event) if taken else data
        case SkipStep() if not seen.decision.ignored:
            run = before.instance.steps.get(signal.step)
            if run is None:
                return _by_receive(before, signal.step, signal.reply)
            return data if run.compensation else _by_step(before, signal.step, signal.reply)
        case ReplyReceived() if seen.key is not None and not isinstance(signal.reply, Failure):
            step, direction = seen.key
            has_ended = before.instance.status.is_final or before.last(step, COMPENSATION) is not None
            is_copy = before.sent[seen.key][-1].result is not None
            if has_ended or is_copy or direction is COMPENSATION or is_abandoned(before, step):
                return data
            return _by_step(before, step, signal.reply)
        case _:
            return data


def _by_receive(ledger: Ledger, name: str, event: Any) -> Any:  # noqa: ANN401  the data
    node = next((each for each in ledger.saga.plan.receives if each.name == name), None)
    data = ledger.instance.data
    if node is None or node.remember is None:
        return data
    return ledger.saga.plan.data.accept(node.remember(data, event), data, node.remember)


def _by_step(ledger: Ledger, step: str, reply: Any) -> Any:  # noqa: ANN401  the data
    plan, data = ledger.step_plan(step), ledger.instance.data
    if plan.step.remember is None:
        return data
    item = () if plan.item is None else (plan.item.validate_json(ledger.instance.lists[leaf(step)][step]),)
    return ledger.saga.plan.data.accept(plan.step.remember(data, *item, reply), data, plan.step.remember)


def i10_a_reply_to_an_earlier_attempt_is_ignored(seen: Observation) -> Iterator[str]:
    """Only the newest attempt of a step is answered."""
    if isinstance(seen.signal, ReplyReceived) and seen.key is None and not seen.decision.ignored:
        yield f"the reply to {seen.signal.command_id} changes something, which is no newest attempt"


def i10_an_event_is_received_once(seen: Observation) -> Iterator[str]:
    """One event goes to one receive."""
    events = [_event_of(wait) for wait in seen.after.instance.waits.values() if wait.event_id]
    if len(events) != len(set(events)):
        yield "one event is received twice"
    if isinstance(seen.signal, EventReceived) and not seen.decision.ignored and _event_of(seen.signal) not in events:
        yield "an event is received by nothing"


def _event_of(by: EventReceived | WaitState) -> tuple[str | None, str | None]:
    """Return what is unique to an event: the sender's own id for it."""
    return (by.source if isinstance(by, EventReceived) else by.event_source), by.event_id


def i3_read_again_it_is_the_same(ledger: Ledger) -> Iterator[str]:
    """A crash between any two transitions loses nothing: an instance that is stored and loaded is equal."""
    one = ledger.instance
    frozen = freeze(one)
    thawed = thaw(ledger.saga, one.id, one.key, frozen)
    if thawed != one or freeze(thawed) != frozen:
        yield "stored and loaded it is another instance"
