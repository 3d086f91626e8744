"""Laws of what is sent: ids, attempts, retries, the order forward, and lists (I6, I9, I18)."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

from saga_coordinator.sagas.machine import Branch, ForEach, Progress, Status
from saga_coordinator.sagas.testing.explorer.order import front
from saga_coordinator.sagas.testing.explorer.turn import Turned, Violation, denies_sending, retry_wait
from saga_coordinator.sagas.testing.explorer.world import COMPENSATION, FORWARD, Heard


def i6_an_id_is_derived_and_keeps_its_content(turned: Turned) -> Iterator[Violation]:
    """An id is made of instance, step, direction and attempt, and never has two contents."""
    for send in turned.decision.commands:
        expected = str(uuid5(UUID(turned.after.instance.id), f"{send.step}/{send.direction}/{send.attempt}"))
        if send.command_id != expected:
            yield Violation(
                f"{send.step} was sent under the id {send.command_id}, not under {expected}",
                f"assert {expected!r} in [each.command_id for each in story.unnamed]",
            )
        before = turned.heard.last(send.step, send.direction)
        if before and before.send.command_id == send.command_id and before.send != send:
            yield Violation(
                f"{send.step} was sent again with another content",
                f"assert len({{each.payload for each in story.sent if each.command_id == {send.command_id!r}}}) == 1",
            )


def i9_a_new_id_only_after_a_definite_not_done(turned: Turned) -> Iterator[Violation]:
    """Who has not answered is asked under the same id; a new one follows only a "not done"."""
    for send in turned.decision.commands:
        before = turned.heard.last(send.step, send.direction)
        if before is None:
            fault = "its first attempt has another number" if send.attempt != 1 else None
        elif before.send.command_id == send.command_id:
            fault = (
                f"it has answered: {before.heard}" if before.heard in {Heard.DONE, Heard.BUSY, Heard.REFUSED} else None
            )
        elif before.heard is not Heard.BUSY:
            fault = "it has a new id, though the old one may have been carried out"
        else:
            fault = None if send.attempt == before.send.attempt + 1 else "its attempts are not counted one by one"
        if fault:
            yield Violation(f"{send.step} is asked again, but {fault}", denies_sending(send))


def i9_no_more_sendings_than_the_retry_allows(turned: Turned) -> Iterator[Violation]:
    """Attempts and total time hold for every sending but those of an unknown pivot."""
    for send in turned.decision.commands:
        way = send.step, send.direction
        before = turned.heard.last(*way)
        if before is None or (turned.after.step_plan(send.step).step.is_pivot and before.heard is None):
            continue
        if not turned.heard.may_ask_again(way, turned.heard.now):
            yield Violation(f"{send.step} is asked once more than its retry allows", denies_sending(send))


def i9_nobody_is_asked_again_before_the_time(turned: Turned) -> Iterator[Violation]:
    """A timeout, or the wait of a retry, is over before a step is asked again, but for an undo that was overtaken."""
    for send in turned.decision.commands:
        way = send.step, send.direction
        before = turned.heard.last(*way)
        if before is None or turned.before is None:
            continue
        if before.heard is Heard.BUSY:
            command_state = turned.before.instance.steps[send.step].command_state(send.direction)
            is_early = command_state is None or command_state.due_at is None or command_state.due_at > turned.move.at
        else:
            overtaken = turned.heard.overtaken.get(send.step, 0) > turned.before.overtaken.get(send.step, 0)
            is_early = before.due_at > turned.move.at and not overtaken
        if is_early:
            yield Violation(f"{send.step} is asked again before its time", denies_sending(send))


def the_wait_of_a_retry_is_as_declared(turned: Turned) -> Iterator[Violation]:
    """A busy step is asked again after first, factor, cap and jitter of its retry, and not before its `retry_after`."""
    way = (turned.move.step or "", turned.move.direction)
    call = turned.heard.last(*way)
    if call is None or call.heard is not Heard.BUSY or turned.decision.ignored:
        return
    command_state = turned.after.instance.steps[way[0]].command_state(way[1])
    due_at = turned.move.at + retry_wait(turned.heard, way)
    if command_state is not None and command_state.progress is Progress.WAITING and command_state.due_at != due_at:
        yield Violation(
            f"{way[0]} is asked again at {command_state.due_at}, not at {due_at}",
            f"assert story.instance.steps[{way[0]!r}].{way[1]}.due_at == story.at + {due_at - turned.move.at!r}",
        )


def what_stands_next_is_asked(turned: Turned) -> Iterator[Violation]:
    """Going forward, everything whose turn has come is in progress, nothing else begins, and at the end it is over."""
    one = turned.after.instance
    if one.status is not Status.RUNNING or not one.is_active or turned.decision.ignored:
        return
    names, over = front(turned.after.saga.steps, one, turned.after.is_done)
    for name in names:
        if name not in {*one.steps, *one.waits}:
            yield Violation(
                f"{name} stands next, and was not begun",
                f"assert {name!r} in {{*story.instance.steps, *story.instance.waits}}",
            )
    for send in turned.first_sent:
        if send.direction is FORWARD and send.step not in names:
            yield Violation(f"{send.step} is asked before its turn", denies_sending(send))
    if over:
        yield Violation("all steps are done, and it goes on", "assert story.status is Status.COMPLETED")


def what_was_decided_stays(turned: Turned) -> Iterator[Violation]:
    """A branch's choice and a list's items are recorded when they are reached, from the data as they are then."""
    now, was = turned.after.instance, turned.before.instance if turned.before else None
    for node in turned.after.order.nodes:
        if isinstance(node, Branch) and node.name in now.choices:
            before = was.choices.get(node.name) if was else None
            expected: Any = bool(node.predicate(now.data)) if before is None else before
            found: Any = now.choices[node.name]
            where = "choices"
        elif isinstance(node, ForEach) and node.name in now.lists:
            listed = was.lists.get(node.name) if was else None
            expected = (
                [f"{node.name}[{node.key(each)}]" for each in node.items(now.data)] if listed is None else list(listed)
            )
            found = list(now.lists[node.name])
            where = "lists"
        else:
            continue
        if found != expected:
            yield Violation(
                f"{node.name} is {found}, not {expected}",
                f"assert {_read(where, node.name)} == {expected!r}",
            )


def a_limit_of_a_list_holds(turned: Turned) -> Iterator[Violation]:
    """No more commands of a for-each stand open than its limit, in either direction."""
    for node in turned.after.order.nodes:
        if not isinstance(node, ForEach) or node.limit is None:
            continue
        for direction in (FORWARD, COMPENSATION):
            names = turned.after.instance.lists.get(node.name, ())
            open_ = [
                name for name in names if (c := turned.after.last(name, direction)) and c.heard in {None, Heard.BUSY}
            ]
            sent = [send for send in turned.decision.commands if send.step in open_ and send.direction is direction]
            if len(open_) > node.limit and sent:
                yield Violation(
                    f"{len(open_)} of {node.name} are in flight, its limit is {node.limit}", denies_sending(sent[-1])
                )


def _read(where: str, name: str) -> str:
    found = f"story.instance.{where}[{name!r}]"
    return f"list({found})" if where == "lists" else found
