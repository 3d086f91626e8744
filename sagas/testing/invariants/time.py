"""Invariants of time: timers, timeouts, pauses, delays and the deadline (I4, I18, I19)."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from saga_coordinator.sagas.language.cause import DEADLINE_PASSED, TIMED_OUT
from saga_coordinator.sagas.machine import CommandState, Direction, Progress, Status, TimerFired
from saga_coordinator.sagas.testing.invariants.ledger import Ledger, standstill
from saga_coordinator.sagas.testing.invariants.observation import Observation, stands_still
from saga_coordinator.sagas.testing.invariants.order import AnyInstance


def i4_whatever_is_awaited_has_a_timer(seen: Observation) -> Iterator[str]:
    """The timer of an active instance, if not parked, fires no later than the first thing that it waits for is due."""
    one, after = seen.after.instance, seen.after
    if not one.is_active or one.parked_at is not None:
        if one.next_timer_at is not None:
            yield f"it is {one.status}, or parked, and has a timer"
        return
    if one.next_timer_at is None:
        yield "it is active, and has no timer"
        return
    for name, due_at in _due(after):
        if after.now < due_at < one.next_timer_at:
            yield f"{name} is due at {due_at}, and the timer fires at {one.next_timer_at} only"


def _due(ledger: Ledger) -> Iterator[tuple[str, datetime]]:
    for (step, direction), sent in ledger.unanswered():
        state = ledger.instance.steps[step].command_state(direction)
        if state is not None and state.progress is Progress.ASKED:
            yield step, sent.due_at
    for name in ledger.instance.waits:
        if ledger.is_awaited(name):
            yield name, ledger.waits[name].due_at


def i4_the_timer_is_no_earlier_than_needed(seen: Observation) -> Iterator[str]:
    """A timer stands for the earliest timeout, retry, wait or deadline."""
    one = seen.after.instance
    if one.next_timer_at is None:
        return
    states = [state for run in one.steps.values() for state in (run.forward, run.compensation) if state]
    times = [state.due_at for state in states if state.due_at]
    times += [wait.due_at for wait in one.waits.values() if wait.progress is Progress.ASKED]
    times += [one.deadline_at] if one.deadline_at and one.status is Status.RUNNING else []
    if one.next_timer_at != min(times):
        yield f"the timer fires at {one.next_timer_at}, and the first thing is due at {min(times)}"


def i18_the_deadline_counts_until_the_pivot_is_sent(seen: Observation) -> Iterator[str]:
    """An instance compensates at its deadline if its pivot was not sent; the deadline does not move."""
    saga, after = seen.after.saga, seen.after
    one = after.instance
    if after.pivot is not None:
        if one.deadline_at is not None:
            yield "the pivot was sent, and the deadline counts"
        return
    if saga.deadline is None or one.status is not Status.RUNNING or seen.decision.ignored:
        return
    length = saga.deadline
    deadline = one.started_at + length if isinstance(length, timedelta) else length(saga.begin(after.start))
    if one.deadline_at != deadline:
        yield f"the deadline is {one.deadline_at}, not {deadline}"
    elif deadline <= after.now and one.is_active:
        yield "the deadline has passed, and it continues"


def i19_whatever_is_due_is_done_once(seen: Observation) -> Iterator[str]:
    """After a transition nothing is due any more, and nothing was sent twice in it."""
    next_timer_at = seen.after.instance.next_timer_at
    is_due = next_timer_at is not None and next_timer_at <= seen.signal.at
    if is_due and not seen.decision.ignored and not stands_still(seen):
        yield "something that was due is still due"
    ids = [send.command_id for send in seen.decision.commands]
    if len(ids) != len(set(ids)):
        yield "a command is sent twice in one transition"


def an_unsent_command_does_not_time_out(seen: Observation) -> Iterator[str]:
    """A command that was not published yet is neither sent again nor given up, and has its whole timeout left."""
    if seen.before is None or not isinstance(seen.signal, TimerFired):
        return
    for name, was, now in _states(seen.before.instance, seen.after.instance):
        if was.progress is not Progress.ASKED or was.command_id not in seen.signal.unsent:
            continue
        is_same = (now.progress, now.sendings, now.asked_at) == (was.progress, was.sendings, was.asked_at)
        is_extended = now.due_at is not None and (seen.decision.ignored or now.due_at > seen.signal.at)
        if not (is_same and is_extended):
            yield f"{name} times out, though its command was not published"
    if {send.command_id for send in seen.decision.commands} & set(seen.signal.unsent):
        yield "a command is sent again that was not published"


def _states(before: AnyInstance, after: AnyInstance) -> Iterator[tuple[str, CommandState, CommandState]]:
    """Yield the states of the commands that were sent before a transition, as they were and as they are."""
    for name, run in before.steps.items():
        for direction in Direction:
            was, now = run.command_state(direction), after.steps[name].command_state(direction)
            if was is not None and now is not None:
                yield name, was, now


def a_standstill_moves_timers_but_neither_deadline_nor_delays(seen: Observation) -> Iterator[str]:
    """Timeouts and retries are due later by how long the instance was paused or parked."""
    before, after = seen.before.instance if seen.before else None, seen.after.instance
    length = None if before is None else standstill(before, seen.signal)
    if before is None or length is None or seen.decision.ignored:
        return
    if after.deadline_at not in {before.deadline_at, None}:
        yield f"the deadline moves from {before.deadline_at} to {after.deadline_at}"
    for name, was, now in _states(before, after):
        is_same = (was.progress, was.sendings) == (now.progress, now.sendings)
        if was.due_at and is_same and now.due_at != was.due_at + length:
            yield f"{name} is due at {now.due_at}, not {length} later than at {was.due_at}"
    for name, wait in before.waits.items():
        if after.waits[name].due_at != wait.due_at + (length if wait.address else length * 0):
            yield f"{name} ends at {after.waits[name].due_at}, not {length} later than at {wait.due_at}"


def nothing_is_due_while_parked(seen: Observation) -> Iterator[str]:
    """What an instance waits for may be queued behind the record that it is parked behind."""
    before, after = seen.before.instance if seen.before else None, seen.after.instance
    if before is None or before.parked_at is None or after.parked_at is None:
        return
    for name, was, now in _states(before, after):
        if now.sendings > was.sendings:
            yield f"{name} is sent again while it is parked"
    if after.cause is not None and after.cause.code in {TIMED_OUT, DEADLINE_PASSED} and before.cause is None:
        yield f"it is parked, and compensates: {after.cause.message}"


def a_delay_lasts_as_long_as_declared(seen: Observation) -> Iterator[str]:
    """What follows a delay is not reached before its end, and the end does not move."""
    after = seen.after
    for name, wait in after.instance.waits.items():
        if wait.address is not None or name in after.skipped:
            continue
        due_at = after.waits[name].due_at
        if wait.due_at != due_at:
            yield f"{name} ends at {wait.due_at}, not at {due_at}"
        if wait.progress is Progress.DONE and due_at > after.latest:
            yield f"{name} has ended before its time"
