"""Invariants of compensation: what is undone, in which order, until it is acknowledged (I13 to I17)."""

from collections.abc import Iterator
from uuid import UUID, uuid5

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.language.nodes import ForEach, leaf
from saga_coordinator.sagas.machine import Block, ReplyReceived, Status
from saga_coordinator.sagas.testing.invariants.ledger import COMPENSATION, FORWARD, CommandResult, Ledger
from saga_coordinator.sagas.testing.invariants.observation import Observation, being_compensated, is_in, may_give_up


def i13_only_what_may_have_been_done_is_undone(seen: Observation) -> Iterator[str]:
    """Never a step that was not sent, or that was definitely not done; the undo names the command that it undoes."""
    for send in seen.decision.commands:
        if send.direction is not COMPENSATION:
            if send.compensates is not None:
                yield f"{send.step} goes forward and undoes something"
            continue
        forward = seen.received.last(send.step)
        if forward is None or not seen.received.may_be_done(send.step):
            yield f"{send.step} is undone, but was definitely not done"
        elif send.compensates != forward.send.command_id:
            yield f"the undo of {send.step} names another command than its own"


def i13_all_that_may_have_been_done_is_undone_at_the_end(seen: Observation) -> Iterator[str]:
    """Compensated means a net effect of zero (I15); so does an alternative that was abandoned."""
    one, after = seen.after.instance, seen.after
    if one.status is Status.COMPENSATED and not after.is_resolved:
        for step in _not_undone(after, after.order.leaves):
            yield f"it is compensated, but {step} may have been done and is not undone"
    for name, attempt in one.attempts.items():
        for number in range(attempt.number):
            for step in _not_undone(after, after.order.within(name, number)):
                yield f"alternative {number + 1} of {name} was left, but {step} may have been done and is not undone"


def _not_undone(ledger: Ledger, names: frozenset[str]) -> list[str]:
    steps = [step for step in ledger.steps if is_in(step, names)]
    return [step for step in steps if ledger.may_be_done(step) and not ledger.is_undone(step)]


def i14_undone_in_strict_reverse_order(seen: Observation) -> Iterator[str]:
    """An undo begins when those of all later steps are acknowledged, and nothing is in flight.

    One that has begun does not wait for a later step that only then turns out to have been done.
    """
    received, precedes = seen.received, seen.after.order.precedes
    for send in seen.decision.commands:
        if send.direction is not COMPENSATION:
            continue
        later = [s for s in received.steps if (leaf(send.step), leaf(s)) in precedes and received.may_be_done(s)]
        is_first = (send.step, COMPENSATION) not in received.sent
        if not is_first:
            later = [step for step in later if received.step_plan(step).step.undo_when_unknown]
        if waiting := [step for step in later if not received.is_undone(step)]:
            yield f"{send.step} is undone before {', '.join(waiting)}"
        if is_first and (waiting := _in_flight(seen, send.step)):
            yield f"{send.step} is undone while {', '.join(waiting)} is in flight"


def i14_what_is_ready_is_undone_at_once(seen: Observation) -> Iterator[str]:
    """The members of a group go together: nothing that may be undone now waits for its neighbour."""
    after = seen.after
    names = being_compensated(after)
    if not names or not after.instance.is_active or seen.decision.ignored:
        return
    ready = [step for step in after.steps if is_in(step, names) and after.may_be_done(step)]
    for step in ready:
        if after.last(step, COMPENSATION) is not None:
            continue
        later = [each for each in ready if (leaf(step), leaf(each)) in after.order.precedes]
        if all(map(after.is_undone, later)) and not _in_flight(seen, step) and not _is_full(after, step):
            yield f"{step} is ready to be undone, and its undo was not sent"


def i16_an_undo_that_cannot_be_done_stalls(seen: Observation) -> Iterator[str]:
    """An undo that is refused, or whose retry is used up, is never dropped."""
    after = seen.after
    if not after.instance.is_active or seen.decision.ignored:
        return
    for (step, direction), attempts in after.sent.items():
        newest = attempts[-1]
        is_overdue = newest.result is None and newest.due_at <= after.now
        is_refused = newest.result is CommandResult.REFUSED
        if direction is COMPENSATION and (is_refused or is_overdue):
            yield f"the undo of {step} was given up, and it continues"


def i16_a_stall_has_its_reason(seen: Observation) -> Iterator[str]:
    """Refused, or the retry used up, where there is no other way: in an undo, or after the pivot."""
    one, received = seen.after.instance, seen.received
    if (one.stall is not None) is not (one.status is Status.STALLED):
        yield "it is stalled without a reason, or has a reason and is not stalled"
    was_stalled = seen.before is not None and seen.before.instance.stall is not None
    if one.stall is None or one.stall.step is None or was_stalled or isinstance(seen.signal, Block):
        return
    name = one.stall.step
    if name in received.waits or (name in seen.after.waits):
        if seen.after.waits[name].due_at > seen.after.now:
            yield f"it stalls because of {name}, which was not given up"
        return
    keys = [key for key in ((name, FORWARD), (name, COMPENSATION)) if key in received.sent]
    if not any(may_give_up(received, key) for key in keys):
        yield f"it stalls because of {name}, which could be sent again"
    is_past_pivot = received.pivot is not None and received.pivot.result is CommandResult.DONE
    if not is_past_pivot and (name, COMPENSATION) not in received.sent:
        yield f"it stalls because of {name}, though it can be compensated"


def i17_a_late_success_sends_its_undo_again(seen: Observation) -> Iterator[str]:
    """The undo may have overtaken its original: it is sent once more, unless it was acknowledged."""
    key, before, signal = seen.key, seen.before, seen.signal
    if key is None or before is None or key[1] is COMPENSATION:
        return
    undo = seen.received.last(key[0], COMPENSATION)
    if not isinstance(signal, ReplyReceived) or isinstance(signal.reply, Failure) or undo is None:
        return
    if seen.after.instance.data != before.instance.data:
        yield f"{key[0]} changes the data after its undo was sent"
    if undo.result is CommandResult.DONE and not seen.decision.ignored:
        yield f"{key[0]} was undone, and its late answer changes something"
    is_news = before.sent[key][-1].result is None
    if undo.result is None and is_news and seen.after.instance.is_active and undo.send not in seen.decision.commands:
        yield f"{key[0]} was done after its undo was sent, and the undo is not sent again"


def a_cancelled_child_is_withdrawn(seen: Observation) -> Iterator[str]:
    """Every command in flight that a saga carries out is withdrawn once when it is given up; no other is."""
    received, given_up = seen.received, seen.given_up
    withdrawn = [each.step for each in seen.decision.withdrawals]
    for (step, direction), sent in received.unanswered() if seen.after.instance.is_active else ():
        is_child = direction is FORWARD and sent.send.command.cancellable and is_in(step, given_up)
        if is_child and sent.due_at > received.now and step not in withdrawn:
            yield f"{step} is given up, and is not withdrawn"
    undone = given_up | being_compensated(seen.after)
    for each in seen.decision.withdrawals:
        id_ = each.message.command_id
        sent_ = received.last(each.step)
        is_open = sent_ is not None and sent_.result is None and id_ not in received.withdrawn
        if not (each.command.cancellable and is_in(each.step, undone) and is_open):
            yield f"{each.step} is withdrawn without need"
        if each.id != str(uuid5(UUID(id_), "cancel")):
            yield f"the withdrawal of {each.step} has an id of its own"


def _in_flight(seen: Observation, step: str) -> list[str]:
    """Return what is in flight where the step is undone: in the same alternative, or anywhere once all compensates."""
    after = seen.after
    inside = after.order.leaves
    if after.instance.cause is None:
        attempts = [(name, each.number) for name, each in after.instance.attempts.items() if each.cause]
        inside = frozenset().union(*(names for each in attempts if is_in(step, names := after.order.within(*each))))
    return [each for each in after.steps if is_in(each, inside) and after.is_in_flight(each)]


def _is_full(ledger: Ledger, step: str) -> bool:
    """Return whether as many undos of a list are open as its limit allows."""
    for node in ledger.order.nodes:
        if isinstance(node, ForEach) and node.name == leaf(step) and node.limit is not None:
            undos = [ledger.last(name, COMPENSATION) for name in ledger.instance.lists[node.name]]
            return sum(undo is not None and undo.result is not CommandResult.DONE for undo in undos) >= node.limit
    return False
