"""From a record to its message and where that goes, or to the reason why it cannot be read or is ignored."""

from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar, cast

from pydantic import ValidationError

from saga_coordinator.contracts import BadEnvelope, CancelCommand, Command, Envelope, Event, Message, Reply
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.contracts.json_limits import check_json
from saga_coordinator.contracts.media_type import looks_like
from saga_coordinator.handlers.records import Raised, Record
from saga_coordinator.handlers.routing import AnySaga, Routes, Target, UnwantedPolicy
from saga_coordinator.sagas.language.functions import raised_in
from saga_coordinator.sagas.machine import Instance

_BY_VALIDATORS: Final = {"value_error": "Value error", "assertion_error": "Assertion failed"}
"""The types of pydantic's errors whose message has the words of an exception, and how it begins."""


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

    `summary` is the cause without the words of exceptions, which may hold personal data; None if it has none. `raised`
    is what a saga's own function raised on it. A reply has its `envelope`: it is unmatched, and no concern of this
    coordinator, if its instance is not there.
    """

    record: Record
    cause: str
    summary: str | None = None
    raised: Raised | None = None
    envelope: Envelope | None = None

    @property
    def instance_id(self) -> str:
        """The instance that a reply names, empty if it names none."""
        return (self.envelope and self.envelope.correlation_id) or ""


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
        if record.place.topic_name == routes.names.replies:
            return _reply(routes, record, envelope, payload)
        return _event(routes, record, envelope, payload)
    except Exception as error:  # noqa: BLE001  a model's own validator may raise anything: it concerns this record alone
        return _unreadable(record, error)


def read_kept(routes: Routes, record: Record) -> Arrival | Unreadable:
    """Read a record that was wanted when it was stored: if no saga wants it now, it is not lost silently."""
    arrival = read(routes, record)
    return Unreadable(record, arrival.reason) if isinstance(arrival, Unwanted) else arrival


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
    except Exception as error:  # noqa: BLE001  as above
        return _unreadable(record, error, envelope)
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
    targets: dict[object, Target] = {}
    for route in found:
        try:
            to = route.target(message, envelope.id)
        except Exception as error:  # noqa: BLE001  the saga's own function: its failure concerns this record alone
            return refused_by(raised_by(route.saga, error, record=record), record)
        targets[to.place] = to
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
    return Unreadable(arrival.record, f"{cause} or saga.failure.v1", envelope=arrival.envelope)


def raised_by(
    saga: AnySaga | None, error: Exception, *, record: Record | None = None, instance: Instance[Any] | None = None
) -> Raised:
    """Return what a function of a saga (None: a message's model) raised on a record (None: at a timer)."""
    key = instance.key if instance else record and (record.key or b"").decode(errors="replace")
    name, place = (saga.name, raised_in(saga, error)) if saga else ("", None)
    return Raised(record and record.place, error, name, instance.id if instance else "", key, place)


def refused_by(raised: Raised, record: Record) -> Unreadable:
    """Return a record on which a function raised, as one that cannot be read."""
    return Unreadable(record, describe_raised(raised), describe_raised(raised, with_words=False), raised)


def describe_raised(raised: Raised, *, with_words: bool = True) -> str:
    """Return which saga raised what, and where."""
    whose = f"saga {raised.saga}" if raised.saga else "the model of its message"
    what = describe_error(raised.error) if with_words else type(raised.error).__name__
    return f"{whose} raised {what}" + (f" (in {raised.place})" if raised.place else "")


def describe_error(error: Exception) -> str:
    """Return class and text of what a saga's own function raised, in a form that can be stored."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001  the saga's own class: not even this may stop a partition
        words = "without a text: its __str__ raises, too"
    return _storable(f"{type(error).__name__}: {words}")


def _storable(text: str) -> str:
    """Return a text in a form that UTF-8 and every database accept: half characters and NUL escaped, limited length."""
    return text[:MAX_CAUSE_LENGTH].encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _unreadable(record: Record, error: Exception, envelope: Envelope | None = None) -> Unreadable:
    """Return a record whose message cannot be read, with the reason."""
    match error:
        case ValidationError():
            summary = describe_validation_error(error, with_words=False)
            return Unreadable(record, describe_validation_error(error), summary, envelope=envelope)
        case ValueError():
            return Unreadable(record, _storable(str(error)), envelope=envelope)
        case _:
            return replace(refused_by(raised_by(None, error, record=record), record), envelope=envelope)


def describe_validation_error(error: ValidationError, *, with_words: bool = True) -> str:
    """Return what is wrong in which field, without the values: they may be secret. Of very many only the number.

    The words are those of a model's own validators, which may hold values too.
    """
    if error.error_count() > MAX_LISTED:
        return _storable(f"{error.title}: {error.error_count()} values are wrong, too many to list")
    problems = (
        f"{'.'.join(map(str, each['loc'])) or 'the value'}: "
        f"{each['msg'] if with_words else _BY_VALIDATORS.get(each['type'], each['msg'])}"
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return _storable(f"{error.title}: {'; '.join(problems)}")
