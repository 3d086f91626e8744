"""What differs between two versions of a saga, and what each difference means for instances in flight.

A definition is compared as a list of its named parts, each with what was declared of it, in words.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias, assert_never, get_args, get_type_hints

from saga_coordinator.contracts import Message
from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
    StepPlan,
    steps_of,
)
from saga_coordinator.sagas.language.retry import Retry
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.language.wording import format_duration

AnySaga: TypeAlias = Saga[Any, Any]
Facts: TypeAlias = Mapping[str, str]
Named: TypeAlias = Step[Any] | ForEach[Any] | Receive[Any] | Delay[Any] | Branch[Any] | Alternatives[Any]


class ChangeKind(StrEnum):
    """What has become of a part."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class DeclaredNode:
    """A named node: what it is, what stands around it (outermost first), and what was declared of it."""

    name: str
    kind: str
    around: tuple[str, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of what (`step charge-card`), from what to what, and what it means for instances in flight.

    An instance keeps its version, so all this concerns those that are to be moved to the other one.
    """

    what: ChangeKind
    subject: str
    detail: str
    means: str


MEANS: Final[Mapping[str, str]] = {
    "command": "one in flight is answered by the old reply, so its instance ends in the old version; one that is done "
    "stays done",
    "topics": "what is sent from now on goes there, also what is sent again",
    "reply": "one in flight is answered by the old reply, so its instance ends in the old version",
    "compensation": "what the old command did is undone by the new compensation: its participant has to understand it",
    "timeout": "it counts from the next sending; a wait that has begun keeps its end",
    "retry": "sendings so far count: an instance with more than the new retry allows gives up with its next signal",
    "retry of the compensation": "sendings so far count: with more than allowed it stalls with its next signal",
    "undone when unknown": "it decides whether a silent step is undone, in every instance that has not undone it yet",
    "remembers the reply": "only what is answered after the move is remembered so",
    "remembers the event": "only what comes after the move is remembered so",
    "limit": "it counts with the next signal",
    "event": "an instance that waits for the old event ends in the old version",
    "key": "an instance that waits under the old key ends in the old version",
    "buffered for": "it counts for events that come early from now on",
    "lasts": "a wait that has begun keeps its end",
    "predicate": "a choice once made stays; only instances that have not reached it choose by the new one",
    "tried": "an instance in the middle of it ends in the old version if what it tried before has changed",
    "starts on": "nothing: they have started",
    "is cancelled by": "it counts from the first deployment: the newest version says what cancels",
    "deadline": "nothing: it was set at the start",
    "outcome when completed": "those that complete publish the new outcome: its listeners have to understand it",
    "outcome when compensated": "those that compensate publish the new outcome: its listeners have to understand it",
}
"""What a change of a declared fact means for instances that have come so far."""

KIND: Final = "an instance that has reached it ends in the old version: it is another kind of node now"
ADDED: Final = (
    "those that have not come to its place will pass through it; one that is beyond its place ends in the old version"
)
REMOVED: Final = "those that have not reached it never will; one that waits in it ends in the old version"
UNDONE_BEFORE: Final = (
    "; where it is done its compensation would be lost, so a plan that moves such an instance is refused"
)
MOVED: Final = (
    "what is done stays done, and is undone in the new order; one that is beyond the new place of what it has \
not done ends in the old version"
)
FIELD_REQUIRED: Final = "no instance has it: its mapping has to give a value"
FIELD_OPTIONAL: Final = "instances take its default, unless the mapping says which old field it was"
FIELD_REMOVED: Final = "its value is dropped"
FIELD_CHANGED: Final = "an instance whose value does not fit needs another one from the mapping"


def differences(old: AnySaga, new: AnySaga) -> list[Change]:
    """Return the changes from one definition to the other: of the whole, its nodes, its data."""
    changes = [
        Change(ChangeKind.CHANGED, "saga", detail, MEANS[fact])
        for fact, detail in _differing(whole_of(old), whole_of(new))
    ]
    return [*changes, *part_changes(parts_of(old), parts_of(new)), *_of_fields(fields_of(old), fields_of(new))]


def part_changes(old: Mapping[str, DeclaredNode], new: Mapping[str, DeclaredNode]) -> Iterator[Change]:
    """Yield the changes from the nodes of one definition to those of the other."""
    for name, part in old.items():
        if name not in new:
            yield Change(ChangeKind.REMOVED, f"{part.kind} {name}", _place(part), REMOVED + _lost(part, old, new))
    stays = _in_order([name for name in old if name in new], [name for name in new if name in old])
    for name, part in new.items():
        if name not in old:
            yield Change(ChangeKind.ADDED, f"{part.kind} {name}", _place(part), ADDED)
            continue
        yield from _of_part(old[name], part, is_in_order=name in stays)


def _of_part(was: DeclaredNode, now: DeclaredNode, *, is_in_order: bool) -> Iterator[Change]:
    subject = f"{now.kind} {now.name}"
    if was.around != now.around:
        yield Change(ChangeKind.MOVED, subject, f"{_place(was)} -> {_place(now)}", MOVED)
    elif not is_in_order:
        yield Change(ChangeKind.MOVED, subject, "stands elsewhere in the order", MOVED)
    if was.kind != now.kind:
        yield Change(ChangeKind.CHANGED, subject, f"kind: {was.kind} -> {now.kind}", KIND)
    for fact, detail in _differing(was.facts, now.facts):
        yield Change(ChangeKind.CHANGED, subject, detail, MEANS[fact])


def _of_fields(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name, declared in old.items():
        if name not in new:
            yield Change(ChangeKind.REMOVED, f"data field {name}", declared, FIELD_REMOVED)
    for name, declared in new.items():
        if name not in old:
            means = FIELD_REQUIRED if declared.endswith("required") else FIELD_OPTIONAL
            yield Change(ChangeKind.ADDED, f"data field {name}", declared, means)
        elif old[name] != declared:
            yield Change(ChangeKind.CHANGED, f"data field {name}", f"{old[name]} -> {declared}", FIELD_CHANGED)


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for fact, was in old.items():
        if fact in new and new[fact] != was:
            yield fact, f"{fact}: {was} -> {new[fact]}"


def _lost(part: DeclaredNode, old: Mapping[str, DeclaredNode], new: Mapping[str, DeclaredNode]) -> str:
    """Return what a removed step leaves behind, and whether a new one may be the same under another name."""
    lost = UNDONE_BEFORE if part.facts.get("compensation", "none") != "none" else ""
    command = part.facts.get("command")
    alike = [name for name, each in new.items() if name not in old and command and each.facts.get("command") == command]
    return lost + "".join(f"; if it is {name} now, say so in the mapping of `saga migrate`" for name in alike)


def _place(part: DeclaredNode) -> str:
    return "in " + ", ".join(reversed(part.around)) if part.around else "in the main sequence"


def _in_order(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """Return the most names that stand in the same order in both: the others have moved."""
    place = {name: number for number, name in enumerate(old)}
    longest: list[list[str]] = [[]]
    for name in new:
        before = [way for way in longest if not way or place[way[-1]] < place[name]]
        longest.append([*max(before, key=len), name])
    most = max(longest, key=len)
    return set(most)


# --- the parts of a definition


def parts_of(saga: AnySaga) -> dict[str, DeclaredNode]:
    """Return the named nodes of a definition, in its order."""
    return {part.name: part for part in _parts(saga, saga.steps, ())}


def whole_of(saga: AnySaga) -> Facts:
    return {
        "starts on": saga.starts_on.message_type,
        "is cancelled by": saga.cancel_on.message_type if saga.cancel_on else "nothing",
        "deadline": length(saga.deadline),
        "outcome when completed": _outcome(saga.on_completed),
        "outcome when compensated": _outcome(saga.on_compensated),
    }


def fields_of(saga: AnySaga) -> dict[str, str]:
    """Return the fields of the data, each with its type and whether it has a default."""
    return {
        name: f"{_type(field.annotation)}, {'required' if field.is_required() else 'with a default'}"
        for name, field in saga.plan.data_type.model_fields.items()
    }


def length(duration: object) -> str:
    """Write a length of time, or say where it comes from."""
    match duration:
        case None:
            return "none"
        case timedelta():
            return format_duration(duration)
        case _:
            return f"from the data ({getattr(duration, '__name__', 'a function')})"


def _parts(saga: AnySaga, nodes: Iterable[Node[Any]], around: tuple[str, ...]) -> Iterator[DeclaredNode]:
    for node in nodes:
        if not isinstance(node, Series | Parallel):
            yield DeclaredNode(node.name, *_declared(saga, node, around))
        for label, inner in _inside(node):
            yield from _parts(saga, inner, (*around, *label))


def _declared(saga: AnySaga, node: Named, around: tuple[str, ...]) -> tuple[str, tuple[str, ...], Facts]:
    """Return a node's kind, its place and what was declared of it."""
    match node:
        case Step():
            return "pivot" if node.is_pivot else "step", around, _step(saga.plan.steps[node.name])
        case ForEach():
            return "for_each", around, _step(saga.plan.steps[node.name]) | {"limit": str(node.limit or "none")}
        case Receive():
            return "receive", around, _receive(node)
        case Delay():
            lasts = length(node.lasts) if node.until is None else f"until {length(node.until)}"
            return "delay", around, {"lasts": lasts}
        case Branch():
            return "branch", around, {"predicate": node.predicate.__name__}
        case Alternatives():
            return "alternatives", around, {"tried": _tried(node)}
        case _:
            assert_never(node)


def _inside(node: Node[Any]) -> Iterator[tuple[tuple[str, ...], tuple[Node[Any], ...]]]:
    """Yield the sequences in a node, each with what stands around it then."""
    match node:
        case Step() | ForEach() | Receive() | Delay():
            return
        case Series():
            yield (), node.nodes
        case Parallel():
            yield ("parallel",), node.nodes
        case Branch():
            yield (f"branch {node.name}",), node.nodes
            yield (f"otherwise of {node.name}",), node.otherwise
        case Alternatives():
            for number, each in enumerate(node.nodes, 1):
                yield (f"alternative {number} of {node.name}",), (each,)
        case _:
            assert_never(node)


def _step(step_plan: StepPlan[Any]) -> dict[str, str]:
    step = step_plan.step
    return {
        "command": step_plan.command.message_type,
        "topics": ", ".join(each.topic for each in (step_plan.command, step_plan.undo) if each),
        "reply": step_plan.command.reply.message_type,
        "compensation": step_plan.undo.message_type if step_plan.undo else "none",
        "timeout": length(step.timeout),
        "retry": _retry(step_plan.retry),
        "retry of the compensation": _retry(step.compensate_retry) if step_plan.undo else "none",
        "undone when unknown": "yes" if step.undo_when_unknown else "no",
        "remembers the reply": "yes" if step.remember else "no",
    }


def _receive(node: Receive[Any]) -> dict[str, str]:
    return {
        "event": node.event.message_type,
        "key": "the correlation key" if node.expects is None else f"{node.expects.__name__} of the data",
        "timeout": length(node.timeout),
        "buffered for": length(node.buffer_for),
        "remembers the event": "yes" if node.remember else "no",
    }


def _tried(node: Alternatives[Any]) -> str:
    members = (" and ".join(each.name for each in steps_of((member,))) or "a wait" for member in node.nodes)
    return ", then ".join(members)


def _retry(retry: Retry) -> str:
    often = "without limit" if retry.attempts is None else f"{retry.attempts} times"
    within = "" if retry.total is None else f" within {format_duration(retry.total)}"
    return f"{often}{within}, after {retry.first} x {retry.factor:g} up to {retry.cap}, jitter {retry.jitter:g}"


def _outcome(function: object) -> str:
    """Return the type of the message that a function makes, by its annotation."""
    if function is None:
        return "a failure of its cause"
    made = get_type_hints(function)["return"]
    return made.message_type if isinstance(made, type) and issubclass(made, Message) else _type(made)


def _type(annotation: object) -> str:
    """Write a type for people, without the modules that it comes from."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return re.sub(r"\b[\w.]+\.", "", str(annotation))
