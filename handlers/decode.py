"""From a record to its message and where that goes, or to the reason why it cannot be read or is ignored."""

import re
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar, cast

from pydantic import ValidationError

from saga_coordinator.contracts import BadEnvelope, CancelCommand, Command, Envelope, Event, Message, Reply
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.contracts.json_limits import check_json
from saga_coordinator.contracts.media_type import looks_like
from saga_coordinator.handlers.records import Record
from saga_coordinator.handlers.routing import Routes, Target, UnwantedPolicy

_RAISED: Final = re.compile(r"\b(raised \w+):.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EventArrival:
    """A business event (or a command to a child saga, or its cancel), and its targets."""

    record: Record
    envelope: Envelope
    payload: bytes
    event: Event | Command[Any] | CancelCommand
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class ReplyArrival:
    """A participant's reply to the command `command_id` of the instance `instance_id`."""

    record: Record
    envelope: Envelope
    payload: bytes
    reply: Reply
    instance_id: str
    command_id: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that cannot be read; `cause` says what is wrong and what it should be.

    `raised` is the class of what a saga's own function raised on it. A reply has its `envelope`: it is unmatched, and
    no concern of this coordinator, if its instance is not there.
    """

    record: Record
    cause: str
    raised: str | None = None
    envelope: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A record of a type that no saga wants on its topic, or a tombstone: others share the topic, too."""

    record: Record
    reason: str
    envelope: Envelope | None = None


M = TypeVar("M", bound=Message)
Arrival: TypeAlias = EventArrival | ReplyArrival
MAX_CAUSE_LENGTH = 2_000
MAX_LISTED = 100


def read(routes: Routes, record: Record) -> Arrival | Unreadable | Unwanted:
    """Read one record. Never raises, whatever its content is."""
    if record.value is None and routes.unknown_types is UnwantedPolicy.IGNORE:
        return Unwanted(record, "the record has no value (a tombstone)")
    try:
        envelope, payload = wire.read(record.headers, record.value)
        _check(envelope)
        if record.place.topic_name == routes.names.replies:
            return _reply(routes, record, envelope, payload)
        return _event(routes, record, envelope, payload)
    except ValueError as error:
        return Unreadable(record, _describe(error))


def read_kept(routes: Routes, record: Record) -> Arrival | Unreadable:
    """Read a record that was wanted when it was stored: if no saga wants it now, it is not lost silently."""
    arrival = read(routes, record)
    return Unreadable(record, arrival.reason) if isinstance(arrival, Unwanted) else arrival


def _check(envelope: Envelope) -> None:
    """Refuse what could not be sent on: attributes in structured mode have no limit, but become headers again."""
    size = len("".join(map(str, envelope)).encode())
    if size > wire.MAX_HEADER_BYTES:
        raise BadEnvelope(f"attributes of {size} bytes: at most {wire.MAX_HEADER_BYTES} are read")


def _reply(routes: Routes, record: Record, envelope: Envelope, payload: bytes) -> Arrival | Unreadable:
    if envelope.correlation_id is None:
        raise BadEnvelope("header ce_correlationid is missing: a reply echoes the one of its command")
    if envelope.causation_id is None:
        cause = "header ce_causationid is missing: a reply carries its command's ce_id"
        return Unreadable(record, cause, envelope=envelope)
    model = routes.replies.get(envelope.type)
    if model is None:
        cause = f"ce_type {envelope.type!r} answers no command of any saga in the catalog"
        return Unreadable(record, cause, envelope=envelope)
    try:
        reply = _message(model, payload)
    except ValueError as error:
        return Unreadable(record, _describe(error), envelope=envelope)
    return ReplyArrival(record, envelope, payload, reply, envelope.correlation_id, envelope.causation_id)


def _event(routes: Routes, record: Record, envelope: Envelope, payload: bytes) -> Arrival | Unreadable | Unwanted:
    topic = record.place.topic_name
    understood = routes.understood(topic, envelope.type)
    if understood is None:
        reason = f"ce_type {envelope.type!r} is not wanted on {topic}: wanted are {', '.join(routes.known_on(topic))}"
        if routes.unknown_types is UnwantedPolicy.IGNORE:
            return Unwanted(record, reason, envelope)
        raise BadEnvelope(reason)
    model, found = understood
    message = cast("Event | Command[Any] | CancelCommand", _message(model, payload))
    if isinstance(message, Command):
        _check_answerable(record, envelope)
    try:
        targets = {to.place: to for to in (route.target(message, envelope.id) for route in found)}
    except Exception as error:  # noqa: BLE001  the saga's own function: its failure concerns this record alone
        cause = f"{envelope.type}: correlate or key raised {describe_error(error)}"
        return Unreadable(record, cause, class_of(error))
    return EventArrival(record, envelope, payload, message, tuple(targets.values()))


def _message(model: type[M], payload: bytes) -> M:
    """Read a message. Raises `ValueError` for one that is wrong, or whose JSON is odd."""
    if not payload:
        raise BadEnvelope(f"{model.message_type} has no data: send the message itself as JSON")
    try:
        message = model.model_validate_json(payload)
    except ValidationError:
        if guess := looks_like(payload):
            raise BadEnvelope(f"{model.message_type} is not JSON: {guess}") from None
        raise
    check_json(payload)
    return message


def _check_answerable(record: Record, envelope: Envelope) -> None:
    if envelope.reply_to is None:
        raise BadEnvelope("header ce_replyto is missing: a command says to which topic its reply goes")
    try:
        (record.key or b"").decode()
    except UnicodeDecodeError:
        raise BadEnvelope("the key is not UTF-8: the reply has to echo it as text") from None


def wrong_reply(arrival: ReplyArrival, expected: type[Message]) -> Unreadable:
    """Return a reply that is not of the type that its command names, with the cause."""
    given = arrival.envelope.type
    cause = (
        f"ce_type {given!r} does not answer command {arrival.command_id}: it is answered with {expected.message_type}"
    )
    return Unreadable(arrival.record, f"{cause} or saga.failure.v1")


def class_of(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def describe_error(error: Exception) -> str:
    """Return class and text of what a saga's own function raised, in a form that can be stored."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001  the saga's own class: not even this may stop a partition
        words = "without a text: its __str__ raises, too"
    return _storable(f"{type(error).__name__}: {words}")


def without_words(cause: str) -> str:
    """Return a cause without the words of an exception, which may hold secrets: its class remains."""
    return _RAISED.sub(r"\1", cause)


def _storable(text: str) -> str:
    """Return a text in a form that UTF-8 and every database accept: half characters and NUL escaped, limited length."""
    return text[:MAX_CAUSE_LENGTH].encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _describe(error: ValueError) -> str:
    """Return why a message cannot be read."""
    return describe_validation_error(error) if isinstance(error, ValidationError) else _storable(str(error))


def describe_validation_error(error: ValidationError) -> str:
    """Return what is wrong in which field, without the values: they may be secret. Of very many only the number."""
    if error.error_count() > MAX_LISTED:
        return _storable(f"{error.title}: {error.error_count()} values are wrong, too many to list")
    problems = (
        f"{'.'.join(map(str, each['loc'])) or 'the value'}: {each['msg']}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return _storable(f"{error.title}: {'; '.join(problems)}")
