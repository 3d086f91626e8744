"""The bases of everything that is said: events, commands, replies, and the failure that may answer any command."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

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
    have to be undone (the word of RFC 9110, section 9.2.1): such a step needs no compensation.
    """

    topic: ClassVar[str]
    safe: ClassVar[bool] = False
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
    """The reply of a command that has nothing to tell but that it was carried out."""

    message_type = "saga.done.v1"


class Failure(Reply):
    """The participant did **not** carry out the command. `retryable` says whether asking again can help."""

    message_type = "saga.failure.v1"

    code: str
    message: str
    retryable: bool
    details: dict[str, JsonValue] | None = None
