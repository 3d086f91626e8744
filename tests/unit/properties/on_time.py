"""Invariants of the lifecycle and of time, each a check by name of one turn; none looks at how the machine decides."""

from saga_coordinator.sagas.machine import Direction, Progress, Resolve, Resume, RetryStep, SkipStep, Status, TimerFired
from saga_coordinator.sagas.machine.instance import command_states
from tests.unit.properties.witness import Witness
from tests.unit.properties.world import Turned


def i2_a_final_status_is_absorbing(_: Witness, turned: Turned) -> None:
    if turned.before is not None and turned.before.status.is_final:
        assert turned.decision.ignored is not None
    if turned.before is not None and turned.before.status is Status.STALLED:
        is_wish = isinstance(turned.signal, RetryStep | SkipStep | Resolve)
        assert is_wish or turned.after.status is Status.STALLED, "only an operator leaves stalled"


def i4_every_active_instance_has_a_timer(_: Witness, turned: Turned) -> None:
    after = turned.after
    if not after.is_active:
        assert after.next_timer_at is None
        return
    due = [command_state.due_at for command_state in command_states(after.steps) if command_state.due_at is not None]
    due += [wait.due_at for wait in after.waits.values() if wait.progress is Progress.ASKED]
    deadline = after.deadline_at if after.status is Status.RUNNING else None
    assert after.next_timer_at is not None
    assert after.next_timer_at == min([*due, deadline] if deadline else due)


def i18_the_deadline_counts_until_the_pivot_is_sent(witness: Witness, turned: Turned) -> None:
    deadline, after = witness.saga.deadline, turned.after
    sent = witness.pivots_sent or any(witness.saga.step_plan(s.step).step.is_pivot for s in turned.decision.commands)
    if sent or deadline is None:
        assert after.deadline_at is None
    elif turned.decision.ignored is None and after.is_active and after.status is Status.RUNNING:
        assert after.deadline_at is not None
        assert callable(deadline) or after.deadline_at == after.started_at + deadline
        assert turned.signal.at < after.deadline_at


def i19_whatever_is_due_is_acted_upon_once(_: Witness, turned: Turned) -> None:
    if turned.decision.ignored is None and turned.after.next_timer_at is not None:
        assert turned.after.next_timer_at > turned.signal.at
    ids = [send.command_id for send in turned.decision.commands]
    assert len(ids) == len(set(ids)), "sent twice in one turn"


def an_unsent_command_does_not_time_out(_: Witness, turned: Turned) -> None:
    """Neither sent again nor given up, and no sending counts; its time is not over before its timeout has passed."""
    if turned.before is None or not isinstance(turned.signal, TimerFired):
        return
    for name, run in turned.before.steps.items():
        for direction in Direction:
            was, now = run.command_state(direction), turned.after.steps[name].command_state(direction)
            if was and now and was.progress is Progress.ASKED and was.command_id in turned.signal.unsent:
                assert (now.progress, now.sendings, now.asked_at) == (was.progress, was.sendings, was.asked_at)
                assert now.due_at is not None
                assert turned.decision.ignored or now.due_at > turned.signal.at
    assert not {send.command_id for send in turned.decision.commands} & set(turned.signal.unsent)


def a_pause_moves_timers_but_neither_deadline_nor_delays(_: Witness, turned: Turned) -> None:
    before, after = turned.before, turned.after
    if before is None or before.paused_at is None or not isinstance(turned.signal, Resume):
        return
    length = turned.signal.at - before.paused_at
    assert after.deadline_at in {before.deadline_at, None}
    for name, run in before.steps.items():
        for direction in Direction:
            was, now = run.command_state(direction), after.steps[name].command_state(direction)
            if was and now and was.due_at and (was.progress, was.sendings) == (now.progress, now.sendings):
                assert now.due_at == was.due_at + length
    for name, wait in before.waits.items():
        assert after.waits[name].due_at == wait.due_at + (length if wait.address else length * 0)


def what_was_recorded_stays(_: Witness, turned: Turned) -> None:
    """A choice and a list are made once; an alternative that was left is never tried again."""
    before, after = turned.before, turned.after
    if before is None:
        return
    assert before.choices.items() <= after.choices.items()
    assert all(after.lists[name] == listed for name, listed in before.lists.items())
    assert all(after.attempts[name].number >= attempt.number for name, attempt in before.attempts.items())


def nothing_is_sent_while_paused_stalled_or_ignored(_: Witness, turned: Turned) -> None:
    decision = turned.decision
    if turned.after.paused_at or turned.after.status is Status.STALLED or decision.ignored:
        assert (decision.commands, decision.withdrawals, decision.outcome) == ((), (), None)


def the_outcome_leaves_once_with_the_end(witness: Witness, turned: Turned) -> None:
    entered = turned.after.status.is_final and not (turned.before and turned.before.status.is_final)
    assert (turned.decision.outcome is not None) is entered
    assert witness.outcomes + entered <= 1
