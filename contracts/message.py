"""The base classes of all messages: events, commands, replies, and the failure that may answer any command."""

from __future__ import annotations

from typing import Annotated, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

MAX_RETRY_AFTER = 366 * 24 * 3600
"""The longest `retry_after` that is accepted, in seconds: a year."""

ReplyT = TypeVar("ReplyT", bound="Reply")


class Message(BaseModel):
    """A frozen fact on the wire. `message_type` is its CloudEvents `type`, such as `orders.order-placed.v1`.

    Unknown fields are ignored, so that a sender may add one; a missing or wrong field is refused.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    message_type: ClassVar[str]


class Event(Message):
    """Something that has happened, in the past tense. `topic` is where it is published, if a topic of its own."""

    topic: ClassVar[str]


class Reply(Message):
    """The answer of a participant to a command."""


class Command(Message, Generic[ReplyT]):
    """An order in the imperative to one participant. The class names the reply: `ReserveStock(Command[StockReserved])`.

    `topic` is the participant's command topic. `safe` says that carrying it out changes nothing that would ever
    have to be undone (the word of RFC 9110, section 9.2.1): such a step needs no compensation. `cancellable` says
    that a saga carries it out, which accepts a `CancelCommand` on the same topic.
    """

    topic: ClassVar[str]
    safe: ClassVar[bool] = False
    cancellable: ClassVar[bool] = False
    reply: ClassVar[type[Reply]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Note the reply type that the class was declared with."""
        super().__pydantic_init_subclass__(**kwargs)
        for ancestor in cls.__mro__:
            generic = getattr(ancestor, "__pydantic_generic_metadata__", None)
            reply = generic["args"][0] if generic and generic["origin"] is Command else None
            if isinstance(reply, type) and issubclass(reply, Reply):
                cls.reply = reply
                return


class Done(Reply):
    """The reply of a command without a result: it was carried out."""

    message_type = "saga.done.v1"


class CancelCommand(Message):
    """The sender withdraws the command `command_id`. The answer is the command's own reply."""

    message_type = "saga.cancel-command.v1"

    command_id: str
    reason: str


class Failure(Reply):
    """The participant did **not** carry out the command. `retryable` says whether asking again can help.

    `retry_after`: in how many seconds at the earliest, if the participant knows.
    """

    message_type = "saga.failure.v1"

    code: str
    message: str
    retryable: bool
    details: dict[str, JsonValue] | None = None
    retry_after: Annotated[float, Field(ge=0, le=MAX_RETRY_AFTER)] | None = None
