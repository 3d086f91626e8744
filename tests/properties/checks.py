"""The invariants of the machine, each a check by name over a world's history; none looks at how the machine decides."""

from collections.abc import Callable
from uuid import UUID, uuid5

from contracts import Failure
from sagas.machine import (
    Answer,
    Direction,
    Progress,
    Resume,
    Status,
    transition,
)
from sagas.machine.instance import legs
from tests.properties.witness import COMPENSATION, FORWARD, Witness, way
from tests.properties.world import Turned


def i2_a_final_status_is_absorbing(_: Witness, turned: Turned) -> None:
    if turned.before is not None and turned.before.status.is_final:
        assert turned.decision.ignored is not None
    if turned.before is not None and turned.before.status is Status.STALLED:
        assert turned.after.status is Status.STALLED, "only an operator leaves stalled"


def i4_every_active_instance_has_an_alarm(_: Witness, turned: Turned) -> None:
    if turned.after.is_active:
        assert turned.after.wake_at is not None
        due = [leg.due_at for leg in legs(turned.after.steps) if leg.due_at is not None]
        deadline = turned.after.deadline_at if turned.after.status is Status.RUNNING else None
        assert turned.after.wake_at == min([*due, deadline] if deadline else due)
    else:
        assert turned.after.wake_at is None


def i6_an_id_is_derived_and_keeps_its_content(witness: Witness, turned: Turned) -> None:
    for send in turned.decision.commands:
        name = f"{send.step}/{send.direction}/{send.attempt}"
        assert send.command_id == str(uuid5(UUID(turned.after.id), name))
        assert witness.contents.get(send.command_id, send) == send, "published again with another content"


def i8_an_effect_stands_at_most_once(witness: Witness, _: Turned) -> None:
    assert all(count <= 1 for count in witness.world.participants.net().values())


def i9_a_new_id_only_after_a_definite_not_done(witness: Witness, turned: Turned) -> None:
    for send in turned.decision.commands:
        before = witness.last.get((send.step, send.direction))
        if before is None:
            assert send.attempt == 1
        elif before.command_id == send.command_id:
            assert send.command_id not in witness.failures, "asked again under an id that was refused"
        else:
            assert send.attempt == before.attempt + 1
            assert before.command_id in witness.failures, "a new id, though the old one may have been carried out"


def i9_every_sending_counts(witness: Witness, turned: Turned) -> None:
    """No more sendings than the retry allows, and none given up before: but an unknown pivot is asked for ever."""
    for send in turned.decision.commands:
        count = witness.sendings[send.step, send.direction] + 1
        is_unknown_pivot = witness.saga.table[send.step].step.is_pivot and send.command_id in witness.contents
        assert is_unknown_pivot or witness.allows(send.step, send.direction, count), f"{send.step} sent {count} times"
    cause = turned.after.cause
    if cause is not None and cause.step is not None and turned.before and turned.before.cause is None:
        failure = witness.failures.get(witness.last[cause.step, FORWARD].command_id)
        if failure is None or failure.retryable:
            count = witness.sendings[cause.step, FORWARD] + 1
            assert not witness.allows(cause.step, FORWARD, count), f"{cause.step} given up too early"


def i10_a_success_is_remembered_once_unless_its_undo_was_sent(witness: Witness, turned: Turned) -> None:
    signal, before = turned.signal, turned.before
    if before is None:
        return
    expected = before.data
    if isinstance(signal, Answer) and not isinstance(signal.reply, Failure) and not before.status.is_final:
        step = witness.forward_step_of(signal.command_id)
        if step and signal.command_id not in witness.remembered and not witness.is_undone(signal.command_id):
            witness.remembered.add(signal.command_id)
            remember = witness.saga.table[step].step.remember
            expected = remember(before.data, signal.reply) if remember else expected
    assert turned.after.data == expected


def i10_a_second_copy_of_a_signal_changes_nothing(witness: Witness, turned: Turned) -> None:
    again = transition(witness.saga, turned.after, turned.signal)
    assert again.ignored is not None, f"{turned.signal} acted twice"
    assert again.reason
    assert again.instance is turned.after
    assert (again.commands, again.outcome) == ((), None)


def i10_an_answer_to_a_given_up_attempt_is_ignored(witness: Witness, turned: Turned) -> None:
    signal = turned.signal
    if isinstance(signal, Answer) and signal.command_id not in {s.command_id for s in witness.last.values()}:
        assert turned.decision.ignored is not None
        assert turned.after is turned.before


def i13_only_what_may_have_been_done_is_undone(witness: Witness, turned: Turned) -> None:
    for send in turned.decision.commands:
        if send.direction is COMPENSATION:
            forward = witness.last.get((send.step, FORWARD))
            assert forward is not None, f"{send.step} is undone, but was never sent"
            assert send.compensates == forward.command_id
            assert forward.command_id not in witness.failures, f"{send.step} is undone, but was definitely not done"
        else:
            assert send.compensates is None


def i14_undone_in_strict_reverse_order(witness: Witness, turned: Turned) -> None:
    for send in turned.decision.commands:
        if send.direction is COMPENSATION:
            later = [step for step in witness.may_be_done() if (send.step, step) in witness.precedes]
            waiting = [step for step in later if not witness.is_acknowledged(step)]
            assert waiting == [], f"{send.step} is undone before {waiting}"


def i14_a_group_is_undone_together(witness: Witness, turned: Turned) -> None:
    """Whatever may be undone now is undone now: nothing that is ready waits for its neighbour."""
    after = turned.after
    if after.status is not Status.COMPENSATING or after.paused_at is not None or _in_flight(turned):
        return
    sent = {send.step for send in turned.decision.commands} | {
        step for step, direction in witness.last if direction is COMPENSATION
    }
    for step in witness.may_be_done():
        later = [other for other in witness.may_be_done() if (step, other) in witness.precedes]
        if all(witness.is_acknowledged(other) for other in later):
            assert step in sent, f"{step} is ready to be undone and was not asked"


def i14_nothing_is_undone_while_a_step_is_in_flight(witness: Witness, turned: Turned) -> None:
    first = [s for s in turned.decision.commands if s.compensates and s.command_id not in witness.contents]
    assert not (first and _in_flight(turned))


def i16_an_undo_that_cannot_be_done_stalls(witness: Witness, turned: Turned) -> None:
    signal = turned.signal
    if isinstance(signal, Answer) and isinstance(signal.reply, Failure) and not signal.reply.retryable:
        undos = {s.command_id for (_, direction), s in witness.last.items() if direction is COMPENSATION}
        if signal.command_id in undos and turned.decision.ignored is None:
            assert turned.after.status is Status.STALLED
    if turned.after.status is Status.COMPENSATED:
        unacknowledged = [step for step in witness.may_be_done() if not witness.is_acknowledged(step)]
        assert unacknowledged == [], "called compensated, but these are not undone"


def i16_a_stall_has_its_reason(witness: Witness, turned: Turned) -> None:
    stall = turned.after.stall
    assert (stall is not None) is (turned.after.status is Status.STALLED)
    if stall is None or stall.step is None:
        return
    direction = FORWARD if witness.is_past_pivot else COMPENSATION
    failure = witness.failures.get(witness.last[stall.step, direction].command_id)
    used_up = not witness.allows(stall.step, direction, witness.sendings[stall.step, direction] + 1)
    is_refused = failure is not None and not failure.retryable
    assert is_refused or (direction is COMPENSATION and used_up), f"stalled without need: {stall}"


def i17_a_late_success_sends_its_undo_again_until_it_is_acknowledged(witness: Witness, turned: Turned) -> None:
    signal, before = turned.signal, turned.before
    if before is None or not isinstance(signal, Answer) or isinstance(signal.reply, Failure):
        return
    undos = [send for send in witness.last.values() if send.compensates == signal.command_id]
    if not undos:
        return
    assert turned.after.data == before.data, "remembered, though its undo was sent before"
    if undos[0].command_id in witness.successes:
        assert turned.decision.ignored is not None
    elif turned.decision.ignored is None and turned.after.is_active and undos[0].command_id not in witness.failures:
        assert undos[0] in turned.decision.commands


def i18_before_the_pivot_only_backward_after_it_only_forward(witness: Witness, turned: Turned) -> None:
    directions = {send.direction for send in turned.decision.commands}
    if witness.is_past_pivot:
        assert COMPENSATION not in directions
        assert turned.after.status in {Status.RUNNING, Status.COMPLETED, Status.STALLED}
    if turned.after.status in {Status.COMPENSATING, Status.COMPENSATED}:
        assert FORWARD not in directions
    turns_back = turned.before and turned.before.status is Status.RUNNING and turned.after.cause
    if turns_back and witness.pivots_sent:
        signal = turned.signal
        assert isinstance(signal, Answer), f"{signal} undoes, though the pivot was sent"
        assert signal.command_id in {send.command_id for send in witness.pivots_sent}


def i18_the_deadline_counts_until_the_pivot_is_sent(witness: Witness, turned: Turned) -> None:
    deadline, after = witness.saga.deadline, turned.after
    sent = witness.pivots_sent or any(witness.saga.table[s.step].step.is_pivot for s in turned.decision.commands)
    if sent or deadline is None:
        assert after.deadline_at is None
    elif turned.decision.ignored is None and after.is_active and after.status is Status.RUNNING:
        assert after.deadline_at is not None
        assert callable(deadline) or after.deadline_at == after.started_at + deadline
        assert turned.signal.at < after.deadline_at


def i19_whatever_is_due_is_acted_upon_once(_: Witness, turned: Turned) -> None:
    if turned.decision.ignored is None and turned.after.wake_at is not None:
        assert turned.after.wake_at > turned.signal.at
    ids = [send.command_id for send in turned.decision.commands]
    assert len(ids) == len(set(ids)), "sent twice in one turn"


def a_pause_moves_timers_but_not_the_deadline(_: Witness, turned: Turned) -> None:
    before = turned.before
    if before is None or before.paused_at is None or not isinstance(turned.signal, Resume):
        return
    assert turned.after.deadline_at in {before.deadline_at, None}
    for name, run in before.steps.items():
        for direction in Direction:
            was, now = run.leg(direction), turned.after.steps[name].leg(direction)
            if was and now and was.due_at and (was.progress, was.sendings) == (now.progress, now.sendings):
                assert now.due_at == was.due_at + (turned.signal.at - before.paused_at)


def a_choice_once_made_stays(_: Witness, turned: Turned) -> None:
    if turned.before is not None:
        assert turned.before.choices.items() <= turned.after.choices.items()


def nothing_is_sent_while_paused_stalled_or_ignored(_: Witness, turned: Turned) -> None:
    if turned.after.paused_at or turned.after.status is Status.STALLED or turned.decision.ignored:
        assert (turned.decision.commands, turned.decision.outcome) == ((), None)


def the_outcome_leaves_once_with_the_end(witness: Witness, turned: Turned) -> None:
    entered = turned.after.status.is_final and not (turned.before and turned.before.status.is_final)
    assert (turned.decision.outcome is not None) is entered
    assert witness.outcomes + entered <= 1


EACH_TURN: tuple[Callable[[Witness, Turned], None], ...] = (
    i2_a_final_status_is_absorbing,
    i4_every_active_instance_has_an_alarm,
    i6_an_id_is_derived_and_keeps_its_content,
    i8_an_effect_stands_at_most_once,
    i9_a_new_id_only_after_a_definite_not_done,
    i9_every_sending_counts,
    i10_a_success_is_remembered_once_unless_its_undo_was_sent,
    i10_a_second_copy_of_a_signal_changes_nothing,
    i10_an_answer_to_a_given_up_attempt_is_ignored,
    i13_only_what_may_have_been_done_is_undone,
    i14_undone_in_strict_reverse_order,
    i14_a_group_is_undone_together,
    i14_nothing_is_undone_while_a_step_is_in_flight,
    i16_an_undo_that_cannot_be_done_stalls,
    i16_a_stall_has_its_reason,
    i17_a_late_success_sends_its_undo_again_until_it_is_acknowledged,
    i18_before_the_pivot_only_backward_after_it_only_forward,
    i18_the_deadline_counts_until_the_pivot_is_sent,
    i19_whatever_is_due_is_acted_upon_once,
    a_pause_moves_timers_but_not_the_deadline,
    a_choice_once_made_stays,
    nothing_is_sent_while_paused_stalled_or_ignored,
    the_outcome_leaves_once_with_the_end,
)


def i1_it_has_ended(witness: Witness) -> None:
    assert witness.world.instance.status in {Status.COMPLETED, Status.COMPENSATED, Status.STALLED}


def i8_completed_means_each_step_of_the_way_once_and_no_undo(witness: Witness) -> None:
    if witness.world.instance.status is Status.COMPLETED:
        steps = way(witness.saga.steps, witness.world.instance.choices)
        assert witness.world.participants.net() == dict.fromkeys(steps, 1)
        assert all(send.direction is FORWARD for send in witness.world.sent)


def i13_compensated_means_all_that_may_have_been_done_is_undone(witness: Witness) -> None:
    if witness.world.instance.status is Status.COMPENSATED:
        undone = {step for step, direction in witness.last if direction is COMPENSATION}
        assert undone == set(witness.may_be_done())


def i15_compensated_means_a_net_effect_of_zero(witness: Witness) -> None:
    if witness.world.instance.status is Status.COMPENSATED:
        safe = {name for name, rule in witness.saga.table.items() if rule.command.safe}
        assert set(witness.world.participants.net()) <= safe


AT_THE_END: tuple[Callable[[Witness], None], ...] = (
    i1_it_has_ended,
    i8_completed_means_each_step_of_the_way_once_and_no_undo,
    i13_compensated_means_all_that_may_have_been_done_is_undone,
    i15_compensated_means_a_net_effect_of_zero,
)


def _in_flight(turned: Turned) -> bool:
    return any(run.forward.progress is Progress.ASKED for run in turned.after.steps.values())
