"""The model of a file resolved for one saga: how each command is carried out, which events come, the messages drawn."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from saga_coordinator.contracts import Command, Event, Message, Reply
from saga_coordinator.handlers.routing import AnySaga, commands_of
from saga_coordinator.sagas.testing.generate.messages import generate_at_random
from saga_coordinator.service.simulation.model import (
    Arrivals,
    Cancelling,
    Coming,
    CommandBehaviour,
    InheritedBehaviour,
    Model,
    ParticipantBehaviour,
    Samples,
    unknown_name,
)
from saga_coordinator.service.simulation.model_file import ModelFile, Place

M = TypeVar("M", bound=BaseModel)

MAX_GENERATED = 100
"""So many different messages are generated where the file gives none."""


class Drawn(Generic[M]):
    """Messages of one model, drawn by chance."""

    def __init__(self, messages: Sequence[M], weights: Sequence[float]) -> None:
        """Take at least one message, and the weight of each."""
        self._messages = messages
        self._cumulated = list(accumulate(weights))

    def draw(self, chance: Random) -> M:
        if len(self._messages) == 1:
            return self._messages[0]
        return chance.choices(self._messages, cum_weights=self._cumulated)[0]


def given(model: type[M], samples: Samples, file: ModelFile, place: Place) -> Drawn[M]:
    """Return the samples of the file as messages. Raises `ValueError` for those that the model does not take."""
    problems: list[str] = []
    messages: list[M] = []
    for number, sample in enumerate(samples):
        try:
            messages.append(model.model_validate(sample.data))
        except ValidationError as error:
            problems += [
                file.problem((*place, number, "data", *each["loc"]), f"{each['msg']} (it is a {model.__name__})")
                for each in error.errors()
            ]
    if problems:
        raise ValueError("\n".join(problems))
    return Drawn(messages, [sample.weight for sample in samples])


def generated(model: type[M], chance: Random, file: ModelFile, place: Place) -> Drawn[M]:
    """Generate messages. Raises `ValueError` where the schema does not say enough: then the file has to give some."""
    several = MAX_GENERATED if model.model_fields else 1
    try:
        messages = [generate_at_random(model, chance) for _ in range(several)]
    except ValueError as error:
        raise ValueError(file.problem(place, str(error))) from None
    return Drawn(messages, [1.0] * several)


def key_field(message: BaseModel, key: Callable[[Any], str]) -> str | None:
    """Return the field that a message's key is, if it is one that can hold any text; else every message keeps its own.

    It is found by trying: the fields of text are few.
    """
    probe = "probe-1"
    for name, value in message:
        if not isinstance(value, str):
            continue
        try:
            probed = type(message).model_validate(message.model_dump() | {name: probe})
        except ValidationError:
            continue
        if key(probed) == probe:
            return name
    return None


_TOPIC = re.compile(r"(.+)\.commands\.v[0-9]+")


class Conduct(InheritedBehaviour):
    """How one type of command is carried out, with nothing left open."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    participant: str
    replies: Drawn[Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedModel:
    """All that happens around the instances of one saga."""

    arrivals: Arrivals
    horizon: float
    starts: Drawn[Message]
    conduct: Mapping[type[Command[Any]], Conduct]
    participants: Mapping[str, ParticipantBehaviour]
    coming: Mapping[str, tuple[Coming, Drawn[Event]]]
    cancel: Cancelling | None


def participant_of(command: type[Command[Any]]) -> str:
    """Return the participant that carries out a command: `payments` reads `payments.commands.v1`."""
    found = _TOPIC.fullmatch(command.topic)
    return found[1] if found else command.topic


def resolve(saga: AnySaga, file: ModelFile, seed: int) -> ResolvedModel:
    """Return what the file says for this saga. Raises `ValueError` with everything in it that does not fit the saga."""
    model = file.model()
    commands = {each.message_type: each for each in commands_of(saga)}
    names = sorted({participant_of(each) for each in commands.values()})
    problems = list(_unknown(saga, model, file, (commands, names)))
    if problems:
        raise ValueError("\n".join(problems))
    return ResolvedModel(
        arrivals=model.arrivals,
        horizon=model.horizon,
        starts=_messages(saga.starts_on, model.start, file, ("start",), seed),
        conduct={each: _conduct(each, model, file, seed) for each in commands.values()},
        participants={name: model.participants.get(name, ParticipantBehaviour()) for name in names},
        coming={name: _coming(saga, name, model, file, seed) for name in _receives(saga) if name in model.events},
        cancel=model.cancel,
    )


def _unknown(
    saga: AnySaga, model: Model, file: ModelFile, there_are: tuple[Mapping[str, object], list[str]]
) -> Iterator[str]:
    """Yield what the file names and the saga does not have."""
    commands, participants = there_are
    for kind, named, known in (
        ("participants", model.participants, participants),
        ("commands", model.commands, list(commands)),
        ("events", model.events, list(_receives(saga))),
    ):
        what = {"participants": "participant", "commands": "command", "events": "receive"}[kind]
        for name in named:
            if name not in known:
                yield file.problem((kind, name), unknown_name(name, known, f"{what} of saga {saga.name} called"))
    if model.cancel is not None and saga.cancel_on is None:
        yield file.problem(("cancel",), f"saga {saga.name} has no cancel_on: nothing cancels it; leave this table out")
    for name in _receives(saga):
        if name not in model.events:
            text = f'saga {saga.name} waits in {name}: say under [events.{name}] when its event comes, or "share = 0"'
            yield file.problem(("events",), text)


def _receives(saga: AnySaga) -> Mapping[str, type[Event]]:
    return {each.name: each.event for each in saga.plan.receives}


def _conduct(command: type[Command[Any]], model: Model, file: ModelFile, seed: int) -> Conduct:
    name, type_ = participant_of(command), command.message_type
    own = model.commands.get(type_, CommandBehaviour())
    said: dict[str, Any] = {}
    for level in (model.default, model.participants.get(name, ParticipantBehaviour()), own):
        said |= level.model_dump(exclude_unset=True, include=set(InheritedBehaviour.model_fields))
    replies = _messages(command.reply, own.replies, file, ("commands", type_, "replies"), seed)
    try:
        return Conduct(participant=name, replies=replies, **said)
    except ValidationError as error:
        raise ValueError(file.problem(("commands", type_), str(error.errors()[0]["ctx"]["error"]))) from None


def _coming(saga: AnySaga, name: str, model: Model, file: ModelFile, seed: int) -> tuple[Coming, Drawn[Event]]:
    said = model.events[name]
    return said, _messages(_receives(saga)[name], said.samples, file, ("events", name, "samples"), seed)


def _messages(kind: Any, samples: Samples, file: ModelFile, place: Place, seed: int) -> Drawn[Any]:  # noqa: ANN401  a class
    """Return the samples of the file, or generated ones."""
    if samples:
        return given(kind, samples, file, place)
    return generated(kind, stream(seed, f"generated: {'.'.join(map(str, place))}"), file, place)


def stream(seed: int, purpose: str) -> Random:
    """Return the chance of one purpose: what is drawn for another does not disturb it."""
    return Random(f"{seed}/{purpose}")  # noqa: S311  the same seed has to give the same run
