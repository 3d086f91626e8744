"""Laws of compensation: what is undone, in which order, until it is acknowledged (I13 to I17), and withdrawals."""

from collections.abc import Iterator
from uuid import UUID, uuid5

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.machine import ForEach, ReplyReceived, Status, leaf
from saga_coordinator.sagas.testing.explorer.turn import (
    Turned,
    Violation,
    being_compensated,
    denies_sending,
    is_in,
    may_give_up,
)
from saga_coordinator.sagas.testing.explorer.world import COMPENSATION, Heard, World


def i13_only_what_may_have_been_done_is_undone(turned: Turned) -> Iterator[Violation]:
    """Never a step that was not sent, or that was definitely not done; the undo names the command that it undoes."""
    for send in turned.decision.commands:
        if send.direction is not COMPENSATION:
            if send.compensates is not None:
                yield Violation(f"{send.step} goes forward and undoes something", denies_sending(send))
            continue
        forward = turned.heard.last(send.step)
        if forward is None or not turned.heard.may_be_done(send.step):
            yield Violation(f"{send.step} is undone, but was definitely not done", denies_sending(send))
        elif send.compensates != forward.send.command_id:
            yield Violation(f"the undo of {send.step} names another command than its own", denies_sending(send))


def i13_all_that_may_have_been_done_is_undone_at_the_end(turned: Turned) -> Iterator[Violation]:
    """Compensated means a net effect of zero (I15); so does an alternative that was left."""
    one = turned.after.instance
    if one.status is Status.COMPENSATED:
        yield from _not_undone(turned.after, None, "it is compensated", "assert story.status is not Status.COMPENSATED")
    for name, attempt in one.attempts.items():
        for number in range(attempt.number):
            yield from _not_undone(
                turned.after,
                turned.after.order.within(name, number),
                f"alternative {number + 1} of {name} was left",
                f"assert story.instance.trials[{name!r}].number <= {number}",
            )


def _not_undone(world: World, names: frozenset[str] | None, left: str, claim: str) -> Iterator[Violation]:
    for step in world.steps:
        if (names is None or is_in(step, names)) and world.may_be_done(step) and not world.is_undone(step):
            yield Violation(f"{left}, but {step} may have been done and is not undone", claim)


def i14_undone_in_strict_reverse_order(turned: Turned) -> Iterator[Violation]:
    """An undo begins when those of all later steps are acknowledged, and nothing is in flight."""
    heard, before = turned.heard, turned.after.order.precedes
    for send in turned.first_sent:
        if send.direction is not COMPENSATION:
            continue
        later = [s for s in heard.steps if (leaf(send.step), leaf(s)) in before and heard.may_be_done(s)]
        if waiting := [step for step in later if not heard.is_undone(step)]:
            yield Violation(f"{send.step} is undone before {', '.join(waiting)}", denies_sending(send))
        if waiting := _in_flight(turned, send.step):
            yield Violation(f"{send.step} is undone while {', '.join(waiting)} is in flight", denies_sending(send))


def i14_what_is_ready_is_undone_at_once(turned: Turned) -> Iterator[Violation]:
    """The members of a group go together: nothing that may be undone now waits for its neighbour."""
    after = turned.after
    names = being_compensated(after)
    if not names or not after.instance.is_active or turned.decision.ignored:
        return
    order = after.order.precedes
    ready = [step for step in after.steps if is_in(step, names) and after.may_be_done(step)]
    for step in ready:
        later = [each for each in ready if (leaf(step), leaf(each)) in order]
        is_asked = after.last(step, COMPENSATION) is not None
        if (
            not is_asked
            and all(map(after.is_undone, later))
            and not _in_flight(turned, step)
            and not _is_full(after, step)
        ):
            yield Violation(
                f"{step} is ready to be undone, and was not asked",
                f"assert ({step!r}, 'compensation') in [(each.step, each.direction) for each in story.sent]",
            )


def i16_an_undo_that_cannot_be_done_stalls(turned: Turned) -> Iterator[Violation]:
    """An undo that is refused, or whose retry is used up, is never dropped."""
    if not turned.after.instance.is_active or turned.decision.ignored:
        return
    for way, calls in turned.after.calls.items():
        call = calls[-1]
        is_open = call.heard is None and call.due_at <= turned.after.now
        if way[1] is COMPENSATION and (call.heard is Heard.REFUSED or is_open):
            yield Violation(
                f"the undo of {way[0]} was given up, and it goes on", "assert story.status is Status.STALLED"
            )


def i16_a_stall_has_its_reason(turned: Turned) -> Iterator[Violation]:
    """Refused, or the retry used up, where there is no other way: in an undo, or after the pivot."""
    one, after = turned.after.instance, turned.after
    if (one.stall is not None) is not (one.status is Status.STALLED):
        yield Violation(
            "it is stalled without a reason, or has a reason and is not",
            "assert (story.instance.stall is not None) is (story.status is Status.STALLED)",
        )
    if one.stall is None or one.stall.step is None or (turned.before and turned.before.instance.stall):
        return
    name = one.stall.step
    found = [way for way in turned.heard.calls if way[0] == name]
    if found and not any(may_give_up(turned.heard, way) for way in found):
        yield Violation(f"it stalls by {name}, which could be asked again", "assert story.status is not Status.STALLED")
    if not found and not (name in after.waits and after.waits[name].due_at <= after.now):
        yield Violation(f"it stalls by {name}, which was not given up", "assert story.status is not Status.STALLED")


def i17_a_late_success_sends_its_undo_again(turned: Turned) -> Iterator[Violation]:
    """The undo may have overtaken its original: it is sent once more, unless it was acknowledged."""
    signal, heard = turned.move.signal, turned.heard
    step = turned.move.step
    if (
        not isinstance(signal, ReplyReceived)
        or isinstance(signal.reply, Failure)
        or step is None
        or turned.move.direction is COMPENSATION
    ):
        return
    undo = heard.last(step, COMPENSATION)
    if undo is None:
        return
    if undo.heard is Heard.DONE and not turned.decision.ignored:
        yield Violation(f"{step} was undone, and its late answer changes something", "assert story.ignored")
    if undo.reply is None and turned.after.instance.is_active and undo.send not in turned.decision.commands:
        yield Violation(
            f"{step} was done after its undo was sent, and the undo is not sent again",
            f"assert ({step!r}, 'compensation') in [(each.step, each.direction) for each in story.unnamed]",
        )


def a_cancelled_child_is_withdrawn(turned: Turned) -> Iterator[Violation]:
    """When an instance turns back, every command in flight that a saga carries out is withdrawn, once; no other is."""
    back, heard = turned.given_up_leaves, turned.heard
    told = [each.step for each in turned.decision.withdrawals]
    for (step, direction), call in heard.open():
        is_child = direction is not COMPENSATION and call.send.command.cancellable and is_in(step, back)
        if is_child and call.due_at > heard.now and step not in told:
            yield Violation(f"{step} is not wanted any more, and is not told", f"assert {step!r} in story.withdrawn")
    for each in turned.decision.withdrawals:
        id_ = each.message.command_id
        is_right = each.command.cancellable and is_in(each.step, back) and id_ not in heard.withdrawn
        if not is_right or each.id != str(uuid5(UUID(id_), "cancel")):
            yield Violation(f"{each.step} is withdrawn without need", f"assert {each.step!r} not in story.withdrawn")


def _in_flight(turned: Turned, step: str) -> list[str]:
    """Return what is in flight where the step is undone: in the same alternative, or anywhere once all turns back."""
    after = turned.after
    if after.instance.cause is not None:
        return [each for each in after.steps if after.is_in_flight(each)]
    attempts = [(name, t.number) for name, t in after.instance.attempts.items() if t.cause]
    around = [names for each in attempts if is_in(step, names := after.order.within(*each))]
    inside = frozenset().union(*around)
    return [each for each in after.steps if is_in(each, inside) and after.is_in_flight(each)]


def _is_full(world: World, step: str) -> bool:
    """Say whether as many undos of a list are open as its limit allows."""
    for node in world.order.nodes:
        if isinstance(node, ForEach) and node.name == leaf(step) and node.limit is not None:
            undos = [world.last(name, COMPENSATION) for name in world.instance.lists[node.name]]
            return sum(undo is not None and undo.heard is not Heard.DONE for undo in undos) >= node.limit
    return False
