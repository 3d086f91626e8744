"""Every message of a catalog, where it is published and who says it; and its JSON Schema."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from saga_coordinator.contracts import CancelCommand, Command, Event, Failure, Message
from saga_coordinator.contracts.messages.money import Amount
from saga_coordinator.handlers.routing import REPLIES, AnySaga, Routes, commands_of

DIALECT: Final = GenerateJsonSchema.schema_dialect
AMOUNT: Final[JsonSchemaValue] = {"type": "string", "pattern": r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"}

_AMOUNT_CHECK: Final = TypeAdapter(Amount).core_schema.get("function")


class Part(StrEnum):
    """What a message is in the conversation.

    The coordinator sends commands, withdrawals of them, outcomes and the answers of child sagas; it reads the others.
    A task is a command, or its withdrawal, that a child saga carries out.
    """

    COMMAND = "command"
    WITHDRAWAL = "withdrawal"
    OUTCOME = "outcome"
    ANSWER = "answer"
    EVENT = "event"
    REPLY = "reply"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One message on one topic. `answers`: the types of the replies to a command."""

    message: type[Message]
    part: Part
    topic: str
    answers: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """Its `ce_type`."""
        return self.message.message_type

    @property
    def is_sent(self) -> bool:
        """Say whether the coordinator sends it."""
        return self.part in {Part.COMMAND, Part.WITHDRAWAL, Part.OUTCOME, Part.ANSWER}


def conversation(catalog: Iterable[AnySaga]) -> tuple[WireMessage, ...]:
    """Return everything that is said, each message of a topic once, sorted. Raises `BadCatalog`."""
    routes = Routes(catalog)
    said = {(each.part, each.topic, each.type): each for each in _said(routes)}
    return tuple(said[key] for key in sorted(said))


def schemas(said: Iterable[WireMessage]) -> Mapping[str, dict[str, Any]]:
    """Return the JSON Schema of every message, by its type."""
    return {each.type: _schema(each.message) for each in said}


def summary(message: type[Message]) -> str:
    """Return the first line of what a message's class says of itself."""
    return (message.__doc__ or message.__name__).strip().splitlines()[0]


def _said(routes: Routes) -> Iterator[WireMessage]:
    for saga in routes.sagas.values():
        for command in commands_of(saga):
            yield WireMessage(command, Part.COMMAND, command.topic, _answers(command))
            if command.cancellable:
                yield WireMessage(CancelCommand, Part.WITHDRAWAL, command.topic)
        yield from _ends(saga)
    for event, _ in routes.events.values():
        yield WireMessage(event, Part.EVENT, event.topic)
    for reply in routes.replies.values():
        yield WireMessage(reply, Part.REPLY, REPLIES)


def _ends(saga: AnySaga) -> Iterator[WireMessage]:
    """Yield what a saga tells at its end; a child also what it is told."""
    start = saga.starts_on
    if issubclass(start, Command):
        yield WireMessage(start, Part.TASK, start.topic, _answers(start))
        yield WireMessage(CancelCommand, Part.TASK, start.topic)
        yield WireMessage(start.reply, Part.ANSWER, REPLIES)
        yield WireMessage(Failure, Part.ANSWER, REPLIES)
        return
    for tell in (saga.on_completed, saga.on_compensated):
        yield WireMessage(_outcome(tell), Part.OUTCOME, saga.outcome_topic)


def _answers(command: type[Command[Any]]) -> tuple[str, str]:
    return command.reply.message_type, Failure.message_type


def _outcome(tell: object) -> type[Event]:
    """Return the event that a function of a saga makes: its annotation says so, or the saga were refused."""
    event: type[Event] = get_type_hints(tell)["return"]
    return event


def _schema(message: type[Message]) -> dict[str, Any]:
    return {"$schema": DIALECT, **message.model_json_schema(schema_generator=_Plain)}


class _Plain(GenerateJsonSchema):
    """Writes an amount as the string that it is on the wire, and leaves out titles that only repeat a field's name."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        return dict(AMOUNT) if schema["function"] == _AMOUNT_CHECK else super().function_before_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002  pydantic's form
        return False
