"""Invariants of the way back, each a check by name of one turn."""

from collections import Counter

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.machine import TIMED_OUT, Progress, ReplyReceived, Resolve, Status, leaf
from tests.unit.properties.order import turning_back
from tests.unit.properties.witness import COMPENSATION, FORWARD, Witness
from tests.unit.properties.world import OBSTRUCTED, Turned

GAVE_UP_EARLIER = "given-up-before"


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
    """Only a step that was taken for not done may turn out to have been done when others are being undone already."""
    for send in turned.decision.commands:
        if send.direction is COMPENSATION:
            later = [step for step in witness.may_be_done() if witness.comes_before(send.step, step)]
            if (send.step, COMPENSATION) in witness.last:
                later = [step for step in later if witness.saga.step_plan(step).step.undo_when_unknown]
            waiting = [step for step in later if not witness.is_acknowledged(step)]
            assert waiting == [], f"{send.step} is undone before {waiting}"


def i14_a_group_is_undone_together(witness: Witness, turned: Turned) -> None:
    """Whatever may be undone now is undone now: nothing that is ready waits for its neighbour, but in a list."""
    if not turned.after.is_active:
        return
    for region in turning_back(witness.saga, turned.after):
        if not _in_flight(turned, region):
            _all_that_is_ready_was_asked(witness, turned, region)


def _all_that_is_ready_was_asked(witness: Witness, turned: Turned, region: frozenset[str] | None) -> None:
    sent = {send.step for send in turned.decision.commands} | {
        step for step, direction in witness.last if direction is COMPENSATION
    }
    under_way = Counter(leaf(step) for step in sent if not witness.is_acknowledged(step))
    for step in witness.may_be_done():
        if region is not None and leaf(step) not in region:
            continue
        later = [other for other in witness.may_be_done() if witness.comes_before(step, other)]
        is_full = under_way[leaf(step)] >= witness.limits.get(leaf(step), 1_000)
        if not is_full and all(witness.is_acknowledged(other) for other in later):
            assert step in sent, f"{step} is ready to be undone and was not asked"


def i14_nothing_is_undone_while_a_step_is_in_flight(witness: Witness, turned: Turned) -> None:
    regions = [region for region in turning_back(witness.saga, turned.after) if _in_flight(turned, region)]
    for send in turned.decision.commands:
        if send.compensates and send.command_id not in witness.contents and send.attempt == 1:
            assert not any(region is None or leaf(send.step) in region for region in regions)


def i16_an_undo_that_cannot_be_done_stalls(witness: Witness, turned: Turned) -> None:
    signal = turned.signal
    if isinstance(signal, ReplyReceived) and isinstance(signal.reply, Failure) and not signal.reply.retryable:
        undos = {s.command_id for (_, direction), s in witness.last.items() if direction is COMPENSATION}
        if signal.command_id in undos and turned.decision.ignored is None:
            assert turned.after.status is Status.STALLED
    if turned.after.status is Status.COMPENSATED and not isinstance(turned.signal, Resolve):
        if turned.before is not None and turned.before.status is Status.COMPENSATED:
            return
        unacknowledged = [step for step in witness.may_be_done() if not witness.is_acknowledged(step)]
        assert unacknowledged == [], "called compensated, but these are not undone"


def i16_a_stall_has_its_reason(witness: Witness, turned: Turned) -> None:
    stall = turned.after.stall
    assert (stall is not None) is (turned.after.status is Status.STALLED)
    if stall is None or stall.step is None or stall.code in {OBSTRUCTED, GAVE_UP_EARLIER}:
        return
    if stall.step in witness.receives:
        assert stall.code == TIMED_OUT
        assert witness.is_past_pivot
        return
    direction = FORWARD if witness.is_past_pivot else COMPENSATION
    failure = witness.failures.get(witness.last[stall.step, direction].command_id)
    used_up = not witness.allows(stall.step, direction, witness.sendings[stall.step, direction] + 1)
    is_refused = failure is not None and not failure.retryable
    is_used_up = direction is COMPENSATION and (used_up or witness.is_timed(stall.step, direction))
    was_stalled = turned.before is not None and turned.before.status is Status.STALLED
    assert is_refused or is_used_up or was_stalled, f"stalled without need: {stall}"


def i17_a_late_success_sends_its_undo_again_until_it_is_acknowledged(witness: Witness, turned: Turned) -> None:
    signal, before = turned.signal, turned.before
    if before is None or not isinstance(signal, ReplyReceived) or isinstance(signal.reply, Failure):
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
    if witness.is_past_pivot and not witness.world.is_resolved and not isinstance(turned.signal, Resolve):
        assert COMPENSATION not in directions
        assert turned.after.status in {Status.RUNNING, Status.COMPLETED, Status.STALLED}
    if turned.after.status in {Status.COMPENSATING, Status.COMPENSATED}:
        assert FORWARD not in directions
    turns_back = turned.before and turned.before.status is Status.RUNNING and turned.after.cause
    if turns_back and witness.pivots_sent:
        signal = turned.signal
        assert isinstance(signal, ReplyReceived), f"{signal} undoes, though the pivot was sent"
        assert signal.command_id in {send.command_id for send in witness.pivots_sent}


def what_is_left_was_undone_before_the_next_is_tried(witness: Witness, turned: Turned) -> None:
    """At every moment, what may stand of an alternative that was left is nothing."""
    for step in witness.may_be_done():
        if witness.is_abandoned(turned.after, step):
            assert witness.is_acknowledged(step), f"{step} was left and may stand"


def _in_flight(turned: Turned, region: frozenset[str] | None) -> bool:
    return any(
        run.forward.progress is Progress.ASKED
        for name, run in turned.after.steps.items()
        if region is None or leaf(name) in region
    )
