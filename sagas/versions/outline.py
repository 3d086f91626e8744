"""A definition as a list of its named parts, each with what was declared of it, in words: so versions are compared."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias, assert_never, get_args, get_type_hints

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

AnySaga: TypeAlias = Saga[Any, Any]
Facts: TypeAlias = Mapping[str, str]
Named: TypeAlias = Step[Any] | ForEach[Any] | Receive[Any] | Delay[Any] | Branch[Any] | Alternatives[Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A named node: what it is, what stands around it (outermost first), and what was declared of it."""

    name: str
    kind: str
    around: tuple[str, ...]
    facts: Facts


def parts_of(saga: AnySaga) -> dict[str, Part]:
    """Return the named nodes of a definition, in its order."""
    return {part.name: part for part in _parts(saga, saga.steps, ())}


def whole_of(saga: AnySaga) -> Facts:
    """Return what was declared of the saga as a whole."""
    return {
        "starts on": saga.starts_on.message_type,
        "is cancelled by": saga.cancel_on.message_type if saga.cancel_on else "nothing",
        "deadline": length(saga.deadline),
        "when completed tells": _told(saga.on_completed),
        "when compensated tells": _told(saga.on_compensated),
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
            return str(duration)
        case _:
            return f"from the data ({getattr(duration, '__name__', 'a function')})"


def _parts(saga: AnySaga, nodes: Iterable[Node[Any]], around: tuple[str, ...]) -> Iterator[Part]:
    for node in nodes:
        if not isinstance(node, Series | Parallel):
            yield Part(node.name, *_declared(saga, node, around))
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
        "hold": length(node.buffer_for),
        "remembers the event": "yes" if node.remember else "no",
    }


def _tried(node: Alternatives[Any]) -> str:
    members = (" and ".join(each.name for each in steps_of((member,))) or "a wait" for member in node.nodes)
    return ", then ".join(members)


def _retry(retry: Retry) -> str:
    often = "without limit" if retry.attempts is None else f"{retry.attempts} times"
    within = "" if retry.total is None else f" within {retry.total}"
    return f"{often}{within}, after {retry.first} x {retry.factor:g} up to {retry.cap}, jitter {retry.jitter:g}"


def _told(function: object) -> str:
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
