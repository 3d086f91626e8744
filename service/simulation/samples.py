"""Messages to draw from: those of a model's file, by their weight, or others that are generated from their schema."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from saga_coordinator.sagas.testing.generate.messages import generate_at_random
from saga_coordinator.service.simulation.model import Samples
from saga_coordinator.service.simulation.model_file import ModelFile, Place

M = TypeVar("M", bound=BaseModel)

MAX_GENERATED = 100
"""So many different messages are generated where the file gives none."""


class Drawn(Generic[M]):
    """Messages of one model, drawn by chance."""

    def __init__(self, messages: Sequence[M], weights: Sequence[float]) -> None:
        """Take at least one message, and how often each comes."""
        self._messages = messages
        self._cumulated = list(accumulate(weights))

    def draw(self, chance: Random) -> M:
        """Return one of the messages."""
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
