"""The order-fulfilment conversation as its participants see it: commands in, replies out, what a command must hold."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic import ValidationError
from pydantic_core import to_json

from saga_coordinator import contracts
from saga_coordinator.contracts import BadEnvelope, Done, Envelope, Failure
from saga_coordinator.contracts.envelope import Headers, read, write
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock
from saga_coordinator.contracts.messages.notifications import NotifyCustomer
from saga_coordinator.contracts.messages.orders import OrderConfirmed, OrderPlaced, OrderRejected
from saga_coordinator.contracts.messages.payments import ChargeCard, RefundCard
from saga_coordinator.contracts.messages.reviews import ReviewFraud
from saga_coordinator.contracts.messages.shipping import ShipOrder
from saga_coordinator.handlers.names import DEFAULT_NAMES
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine.ids import command_id, instance_id

RawHeaders: TypeAlias = Sequence[tuple[str, bytes | None]]

ORDERS: Final = OrderPlaced.topic
OUTCOMES: Final = DEFAULT_NAMES.outcomes(order_fulfilment.name)
CONFIRMED: Final = OrderConfirmed.message_type
REJECTED: Final = OrderRejected.message_type

_SOURCE: Final = DEFAULT_NAMES.source(order_fulfilment.name)
_ATTEMPTS: Final = range(1, 33)


class CommandKind(NamedTuple):
    """One sort of command. `compensates` is the type of the command that it undoes.

    `reference` is the field of its reply that holds the participant's reference, which a compensation repeats, or null.
    """

    model: type[contracts.Command[Any]]
    type: str
    participant: str
    name: str
    reference: str | None
    compensates: str | None

    @property
    def direction(self) -> str:
        """Return the `ce_sagadirection` of such a command."""
        return "forward" if self.compensates is None else "compensation"


def _kind(
    model: type[contracts.Command[Any]], *, compensates: type[contracts.Command[Any]] | None = None
) -> CommandKind:
    participant, name, _ = model.message_type.split(".")
    reference = next(iter(model.reply.model_fields), None)
    undone = None if compensates is None else compensates.message_type
    return CommandKind(model, model.message_type, participant, name, reference, undone)


COMMANDS: Final = {
    kind.type: kind
    for kind in (
        _kind(ReserveStock),
        _kind(ReleaseStock, compensates=ReserveStock),
        _kind(ChargeCard),
        _kind(RefundCard, compensates=ChargeCard),
        _kind(ReviewFraud),
        _kind(ShipOrder),
        _kind(NotifyCustomer),
    )
}
COMMAND_NAMES: Final = frozenset(kind.name for kind in COMMANDS.values())
PARTICIPANTS: Final = tuple(dict.fromkeys(kind.participant for kind in COMMANDS.values()))
COMMAND_TOPICS: Final = tuple(dict.fromkeys(kind.model.topic for kind in COMMANDS.values()))


class ReceivedCommand(NamedTuple):
    """A command as it was read from its record. `fingerprint` covers all that a second copy must repeat."""

    kind: CommandKind
    order_id: str
    reply_to: str
    envelope: Envelope
    headers: RawHeaders
    value: bytes
    fingerprint: str

    @property
    def id(self) -> str:
        """Return its `ce_id`."""
        return self.envelope.id


class Malformed(NamedTuple):
    """A record that no participant can carry out, and why."""

    reason: str


class EncodedReply(NamedTuple):
    """The reply to a command: `ce_type` and JSON value."""

    type: str
    value: str


def encoded(reply: contracts.Reply) -> EncodedReply:
    return EncodedReply(reply.message_type, reply.model_dump_json())


DONE: Final = encoded(Done())


def reply_with(kind: CommandKind, reference: str) -> EncodedReply:
    """Return the reply that says that the command was carried out, with the participant's reference if it has one."""
    if kind.reference is None:
        return DONE
    return EncodedReply(kind.model.reply.message_type, to_json({kind.reference: reference}).decode())


def failure(code: str, message: str, *, retryable: bool) -> EncodedReply:
    """Return the reply that says that the command was not carried out, and whether a retry can help."""
    return encoded(Failure(code=code, message=message, retryable=retryable))


def read_command(
    topic: str, key: bytes | None, value: bytes | None, headers: RawHeaders
) -> ReceivedCommand | Malformed:
    """Read what a reply needs; `wrong_value` and `deviations` check the rest."""
    try:
        envelope, body = read(headers, value)
        order_id = (key or b"").decode()
    except (BadEnvelope, UnicodeDecodeError) as error:
        return Malformed(str(error))
    kind = COMMANDS.get(envelope.type)
    if kind is None or topic != kind.model.topic:
        return Malformed(f"no participant on this topic has the command {envelope.type!r}")
    reply_to = envelope.reply_to
    if not (order_id and reply_to and envelope.correlation_id):
        needed = {"record key": order_id, "ce_replyto": reply_to, "ce_correlationid": envelope.correlation_id}
        return Malformed(f"it has no {', '.join(name for name, text in needed.items() if not text)}")
    if (envelope.compensates is None) != (kind.compensates is None):
        return Malformed("ce_compensates belongs on a compensation, and on nothing else")
    return ReceivedCommand(kind, order_id, reply_to, envelope, headers, body, _fingerprint(order_id, envelope, body))


def _fingerprint(order_id: str, of: Envelope, body: bytes) -> str:
    text = f"{order_id}/{of.type}/{of.correlation_id}/{of.reply_to}/{of.step}/{of.direction}/{of.compensates}/"
    return blake2b(text.encode() + body, digest_size=8).hexdigest()


def wrong_value(command: ReceivedCommand) -> str | None:
    """Return why the value of a command cannot be carried out, or None."""
    try:
        message = command.kind.model.model_validate_json(command.value)
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in error.errors())
    if empty := [name for name, value in message if value == ""]:
        return f"empty in its value: {', '.join(empty)}"
    if (order_id := dict(message)["order_id"]) != command.order_id:
        return f"its record key {command.order_id!r} is not its order_id {order_id!r}"
    return None


def deviations(command: ReceivedCommand) -> list[str]:
    """Return what differs from the published page without hindering the work, each as a clause about the command."""
    envelope, direction = command.envelope, command.kind.direction
    instance = instance_id(order_fulfilment.name, command.order_id)
    expected = {
        "ce_source": (envelope.source, _SOURCE),
        "ce_replyto": (envelope.reply_to, DEFAULT_NAMES.replies),
        "ce_subject": (envelope.subject, command.order_id),
        "ce_sagadirection": (envelope.direction, direction),
        "ce_correlationid": (envelope.correlation_id, instance),
        "content-type": (dict(command.headers).get("content-type"), b"application/json"),
    }
    found = [f"{name} is {got!r}, not {wanted!r}" for name, (got, wanted) in expected.items() if got != wanted]
    present = {
        "ce_time": envelope.time,
        "ce_causationid": envelope.causation_id,
        "ce_sagastep": envelope.step,
        "ce_attempt": envelope.attempt,
        "traceparent": envelope.traceparent,
    }
    found += [f"it has no {name}" for name, given in present.items() if not given]
    if command.id not in {command_id(instance, envelope.step or "", direction, attempt) for attempt in _ATTEMPTS}:
        found.append("its ce_id is not UUIDv5 of instance and <step>/<direction>/<attempt>")
    return found


def reply_headers(
    command: ReceivedCommand, reply: EncodedReply, message_id: str, *, at: str, traced: bool = True
) -> Headers:
    """Return the headers of a reply: its own id, source and time; correlation and trace context of the command."""
    asked = command.envelope
    return write(
        Envelope(
            id=message_id,
            type=reply.type,
            source=f"/demo/{command.kind.participant}",
            time=at,
            subject=command.order_id,
            correlation_id=asked.correlation_id,
            causation_id=asked.id,
            traceparent=asked.traceparent if traced else None,
            tracestate=asked.tracestate if traced else None,
        )
    )
