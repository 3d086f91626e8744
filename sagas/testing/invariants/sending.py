"""Invariants of what is sent: ids, attempts, retries, the order forward, and lists (I6, I9)."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

from saga_coordinator.sagas.language.nodes import Branch, ForEach, leaf
from saga_coordinator.sagas.machine import Progress, Status
from saga_coordinator.sagas.testing.invariants.ledger import FORWARD, CommandRecord, CommandResult
from saga_coordinator.sagas.testing.invariants.observation import Observation, retry_wait
from saga_coordinator.sagas.testing.invariants.order import front


def i6_an_id_is_derived_and_keeps_its_content(seen: Observation) -> Iterator[str]:
    """An id is made of instance, step, direction and attempt, and never has two contents."""
    for send in seen.decision.commands:
        expected = str(uuid5(UUID(seen.after.instance.id), f"{send.step}/{send.direction}/{send.attempt}"))
        if send.command_id != expected:
            yield f"{send.step} was sent under the id {send.command_id}, not under {expected}"
        for before in seen.received.sent.get((send.step, send.direction), ()):
            if before.send.command_id == send.command_id and before.send != send:
                yield f"{send.step} was sent again with another content"


def i9_a_new_id_only_after_a_definite_not_done(seen: Observation) -> Iterator[str]:
    """A command without an answer is sent again under the same id; a new one follows only a "not done"."""
    for send in seen.decision.commands:
        before = seen.received.last(send.step, send.direction)
        is_restarted = send.step in seen.received.restarted
        if before is None:
            problem = "" if send.attempt == 1 else "its first attempt has another number"
        elif before.send.command_id == send.command_id:
            problem = f"it has answered: {before.result}" if _is_answered(before) else ""
        elif before.result is not CommandResult.BUSY and not (is_restarted and before.result is CommandResult.REFUSED):
            problem = "it has a new id, though the old one may have been carried out"
        else:
            problem = "" if send.attempt == before.send.attempt + 1 else "its attempts are not counted one by one"
        if problem:
            yield f"{send.step} is sent again, but {problem}"


def _is_answered(sent: CommandRecord) -> bool:
    return sent.result in {CommandResult.DONE, CommandResult.BUSY, CommandResult.REFUSED}


def i9_no_more_sendings_than_the_retry_allows(seen: Observation) -> Iterator[str]:
    """Attempts and total time hold for every sending but those of an unknown pivot."""
    for send in seen.decision.commands:
        before = seen.received.last(send.step, send.direction)
        if before is None or (seen.after.step_plan(send.step).step.is_pivot and before.result is None):
            continue
        if not seen.received.may_send_again((send.step, send.direction), seen.received.now):
            yield f"{send.step} is sent once more than its retry allows"


def i9_nothing_is_sent_again_before_the_time(seen: Observation) -> Iterator[str]:
    """A timeout, or the wait of a retry, ends before a step is sent again, except for an undo that was overtaken."""
    for send in seen.decision.commands:
        before = seen.received.last(send.step, send.direction)
        if before is None or seen.before is None or send.step in seen.received.restarted:
            continue
        state = seen.before.instance.steps[send.step].command_state(send.direction)
        retry_at = state.due_at if state else None
        due_at = retry_at if before.result is CommandResult.BUSY else before.due_at
        if due_at is None or due_at > seen.signal.at:
            yield f"{send.step} is sent again before its time"


def the_wait_of_a_retry_is_as_declared(seen: Observation) -> Iterator[str]:
    """A busy step is sent again after first, factor, cap and jitter of its retry, and not before its `retry_after`."""
    key, received = seen.key, seen.received
    if key is None or received.sent[key][-1].result is not CommandResult.BUSY or seen.decision.ignored:
        return
    state = seen.after.instance.steps[key[0]].command_state(key[1])
    due_at = seen.signal.at + retry_wait(received, key)
    if state is None or state.progress is not Progress.WAITING or key[0] in received.restarted:
        return
    if state.due_at != due_at:
        yield f"{key[0]} is sent again at {state.due_at}, not at {due_at}"


def what_stands_next_is_sent(seen: Observation) -> Iterator[str]:
    """While it runs everything whose turn has come is in progress, nothing else begins, and then it is completed."""
    one = seen.after.instance
    if one.status is not Status.RUNNING or not one.is_active or seen.decision.ignored:
        return
    names, is_done = front(seen.after.saga.steps, one, seen.after.is_done)
    for name in names:
        if name not in {*one.steps, *one.waits}:
            yield f"{name} stands next, and was not begun"
    for send in seen.first_sent:
        if send.direction is FORWARD and send.step not in names:
            yield f"{send.step} is sent before its turn"
    if is_done:
        yield "all steps are done, and it is not completed"


def what_was_decided_stays(seen: Observation) -> Iterator[str]:
    """A choice and the items of a list are recorded once, from the data of that moment; alternatives are tried once."""
    now, was = seen.after.instance, seen.before.instance if seen.before else None
    for node in seen.after.order.nodes:
        if isinstance(node, Branch) and node.name in now.choices:
            found: Any = now.choices[node.name]
            expected: Any = was.choices.get(node.name) if was else None
            expected = bool(node.predicate(now.data)) if expected is None else expected
        elif isinstance(node, ForEach) and node.name in now.lists:
            found = list(now.lists[node.name])
            listed = was.lists.get(node.name) if was else None
            fresh = (f"{node.name}[{node.key(each)}]" for each in node.items(now.data))
            expected = list(fresh if listed is None else listed)
        else:
            continue
        if found != expected:
            yield f"{node.name} is {found}, not {expected}"
    for name, attempt in (was.attempts if was else {}).items():
        if now.attempts[name].number < attempt.number:
            yield f"{name} tries an alternative again that was left"


def a_limit_of_a_list_holds(seen: Observation) -> Iterator[str]:
    """No more steps of a for-each are in progress than its limit, in either direction."""
    one = seen.after.instance
    for node in seen.after.order.nodes:
        if not isinstance(node, ForEach) or node.limit is None:
            continue
        runs = [run for step, run in one.steps.items() if leaf(step) == node.name]
        open_ = sum(run.forward.progress in {Progress.ASKED, Progress.WAITING} for run in runs)
        undone = sum(run.compensation is not None and run.compensation.progress is not Progress.DONE for run in runs)
        if max(open_, 0 if one.status.is_final else undone) > node.limit:
            yield f"{max(open_, undone)} of {node.name} are in flight, its limit is {node.limit}"
