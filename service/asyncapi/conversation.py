"""Every message of a catalog with its topic and direction, and its JSON Schema."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from saga_coordinator.contracts import CancelCommand, Command, Event, Failure, Message
from saga_coordinator.contracts.messages.money import Amount
from saga_coordinator.handlers.names import DEFAULT_NAMES, Names
from saga_coordinator.handlers.routing import AnySaga, Routes, commands_of

DIALECT: Final = GenerateJsonSchema.schema_dialect
AMOUNT: Final[JsonSchemaValue] = {"type": "string", "pattern": r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"}

_AMOUNT_CHECK: Final = TypeAdapter(Amount).core_schema.get("function")


class MessageRole(StrEnum):
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
    part: MessageRole
    topic: str
    answers: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """Its `ce_type`."""
        return self.message.message_type

    @property
    def is_sent(self) -> bool:
        """Return whether the coordinator sends it."""
        return self.part in {MessageRole.COMMAND, MessageRole.WITHDRAWAL, MessageRole.OUTCOME, MessageRole.ANSWER}


def conversation(catalog: Iterable[AnySaga], names: Names = DEFAULT_NAMES) -> tuple[WireMessage, ...]:
    """Return every message, each once for a topic, sorted. Raises `BadCatalog`."""
    routes = Routes(catalog, names=names)
    found = {(each.part, each.topic, each.type): each for each in _messages(routes)}
    return tuple(found[key] for key in sorted(found))


def schemas(messages: Iterable[WireMessage]) -> Mapping[str, dict[str, Any]]:
    """Return the JSON Schema of every message, by its type."""
    return {each.type: _schema(each.message) for each in messages}


def summary(message: type[Message]) -> str:
    """Return the first line of the docstring of a message's class."""
    return (message.__doc__ or message.__name__).strip().splitlines()[0]


def _messages(routes: Routes) -> Iterator[WireMessage]:
    for saga in routes.sagas.values():
        for command in commands_of(saga):
            yield WireMessage(command, MessageRole.COMMAND, command.topic, _answers(command))
            if command.cancellable:
                yield WireMessage(CancelCommand, MessageRole.WITHDRAWAL, command.topic)
        yield from _ends(saga, routes.names)
    for event, _ in routes.events.values():
        yield WireMessage(event, MessageRole.EVENT, event.topic)
    for reply in routes.replies.values():
        yield WireMessage(reply, MessageRole.REPLY, routes.names.replies)


def _ends(saga: AnySaga, names: Names) -> Iterator[WireMessage]:
    """Yield the outcomes of a saga, and the commands that start a child saga."""
    start = saga.starts_on
    if issubclass(start, Command):
        yield WireMessage(start, MessageRole.TASK, start.topic, _answers(start))
        yield WireMessage(CancelCommand, MessageRole.TASK, start.topic)
        yield WireMessage(start.reply, MessageRole.ANSWER, names.replies)
        yield WireMessage(Failure, MessageRole.ANSWER, names.replies)
        return
    for outcome in (saga.on_completed, saga.on_compensated):
        yield WireMessage(_returned_by(outcome), MessageRole.OUTCOME, names.outcomes(saga.name))


def _answers(command: type[Command[Any]]) -> tuple[str, str]:
    return command.reply.message_type, Failure.message_type


def _returned_by(outcome: object) -> type[Event]:
    """Return the event that a function returns by its annotation, which the linter demands."""
    event: type[Event] = get_type_hints(outcome)["return"]
    return event


def _schema(message: type[Message]) -> dict[str, Any]:
    return {"$schema": DIALECT, **message.model_json_schema(schema_generator=_Plain)}


class _Plain(GenerateJsonSchema):
    """Writes an amount as the string that it is on the wire, and leaves out titles that only repeat a field's name."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        return dict(AMOUNT) if schema["function"] == _AMOUNT_CHECK else super().function_before_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002  pydantic's form
        return False
