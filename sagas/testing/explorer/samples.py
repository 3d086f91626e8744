"""The messages that a saga is tried with: those its author gives, and for all others some that are generated."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from saga_coordinator.contracts import Command, Event, Failure, Message, Reply
from saga_coordinator.sagas.language.nodes import D, Receive
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.testing.generate.messages import generate, has_choices

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Samples:
    """What may start the saga, what may answer each kind of reply, and what each receive may receive."""

    starts: tuple[Event | Command[Any], ...]
    replies: Mapping[type[Reply], tuple[Reply, ...]]
    events: Mapping[str, tuple[Event, ...]]


def gather(saga: Saga[Any, Any], given: Iterable[Message] = ()) -> Samples:
    """Sort the author's samples by their purpose, and generate the others.

    Raises `ValueError` for a sample that the saga has no use for, and for a message that cannot be generated.
    """
    given = tuple(given)
    kinds = {each.reply for plan in saga.plan.steps.values() for each in (plan.command, plan.undo) if each is not None}
    wanted = (saga.starts_on, *kinds, *(node.event for node in saga.plan.receives))
    if useless := [each for each in given if not isinstance(each, wanted)]:
        raise ValueError(
            f"saga {saga.name} has no use for the sample {useless[0]!r}: give messages that start it, "
            "answer its commands, or are received"
        )
    return Samples(
        starts=_given(saga.starts_on, given) or _generated(saga.starts_on, both=True),
        replies={kind: _given(kind, given) or _generated(kind, both=has_choices(kind)) for kind in kinds},
        events={
            node.name: _given(node.event, given) or _generated(node.event, both=False) for node in saga.plan.receives
        },
    )


def keyed(node: Receive[D], event: Event, key: str) -> Event:
    """Return the event, or one like it that has this key. Raises `ValueError` if its key is in no field of its own."""
    for name in (None, *type(event).model_fields):
        changed = event if name is None else _with(event, name, key)
        if changed is not None and node.key(changed) == key:
            return changed
    raise ValueError(f"receive {node.name}: give a sample of {type(event).__name__} whose key is {key!r}")


def _with(event: Event, name: str, key: str) -> Event | None:
    try:
        return type(event).model_validate({**event.model_dump(), name: key})
    except ValidationError:
        return None


def _given(kind: type[M], given: tuple[Message, ...]) -> tuple[M, ...]:
    return tuple(each for each in given if isinstance(each, kind) and not isinstance(each, Failure))


def _generated(kind: type[M], *, both: bool) -> tuple[M, ...]:
    small, large = generate(kind), generate(kind, large=True) if both else None
    return (small,) if large is None or large == small else (small, large)
