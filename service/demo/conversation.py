"""The order-fulfilment conversation as a participant in another house would write it down: topics, messages, headers.

Nothing here comes from the coordinator's own code: who carries out commands with this module shows that the published
page is enough to take part.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

from saga_coordinator.service.demo.fields import Check, a_decimal, a_text, an_address, order_lines, text_or_null

Headers: TypeAlias = list[tuple[str, str | bytes | None]]
RawHeaders: TypeAlias = Sequence[tuple[str, bytes | None]]

ORDERS: Final = "orders.events.v1"
OUTCOMES: Final = "saga.order-fulfilment.outcomes.v1"
CONFIRMED: Final = "orders.order-confirmed.v1"
REJECTED: Final = "orders.order-rejected.v1"
PARTICIPANTS: Final = ("inventory", "payments", "reviews", "shipping", "notifications")


@dataclass(frozen=True, slots=True)
class CommandKind:
    """One sort of command: who carries it out, what its value must hold and how it is answered.

    `undoes` is the type of the command that this one takes back. `gives` is the field of the reply that holds the
    participant's own reference; the undo hands it back in the same field, or null if the coordinator never heard it.
    """

    participant: str
    name: str
    type: str
    reply: str
    fields: Mapping[str, Check]
    undoes: str | None = None
    gives: str | None = None

    @property
    def direction(self) -> Literal["forward", "compensation"]:
        """What `ce_sagadirection` says on such a command."""
        return "forward" if self.undoes is None else "compensation"


_DONE: Final = "saga.done.v1"
_MONEY: Final = {"amount": a_decimal, "currency": a_text}
_BILL: Final = {"order_id": a_text, "customer_id": a_text, **_MONEY}

COMMANDS: Final[Mapping[str, CommandKind]] = {
    kind.type: kind
    for kind in (
        CommandKind(
            "inventory",
            "reserve-stock",
            "inventory.reserve-stock.v1",
            "inventory.stock-reserved.v1",
            {"order_id": a_text, "lines": order_lines},
            gives="reservation_id",
        ),
        CommandKind(
            "inventory",
            "release-stock",
            "inventory.release-stock.v1",
            _DONE,
            {"order_id": a_text, "reservation_id": text_or_null},
            undoes="inventory.reserve-stock.v1",
        ),
        CommandKind(
            "payments",
            "charge-card",
            "payments.charge-card.v1",
            "payments.card-charged.v1",
            _BILL,
            gives="charge_id",
        ),
        CommandKind(
            "payments",
            "refund-card",
            "payments.refund-card.v1",
            _DONE,
            {"order_id": a_text, "charge_id": text_or_null, **_MONEY},
            undoes="payments.charge-card.v1",
        ),
        CommandKind("reviews", "review-fraud", "reviews.review-fraud.v1", _DONE, _BILL),
        CommandKind(
            "shipping",
            "ship-order",
            "shipping.ship-order.v1",
            "shipping.order-shipped.v1",
            {"order_id": a_text, "ship_to": an_address, "lines": order_lines},
            gives="tracking",
        ),
        CommandKind(
            "notifications",
            "notify-customer",
            "notifications.notify-customer.v1",
            _DONE,
            {"order_id": a_text, "customer_id": a_text, "tracking": a_text},
        ),
    )
}

COMMAND_NAMES: Final = frozenset(kind.name for kind in COMMANDS.values())
COMMAND_TOPICS: Final = tuple(f"{participant}.commands.v1" for participant in PARTICIPANTS)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it was read from its record. `fingerprint` covers all that a second copy must repeat."""

    id: str
    kind: CommandKind
    order_id: str
    reply_to: str
    compensates: str | None
    fingerprint: str
    value: bytes
    headers: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that no participant can carry out, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a command: `ce_type` and JSON value."""

    type: str
    value: bytes


DONE: Final = Reply(_DONE, b"{}")

_NEEDED: Final = ("ce_id", "ce_type", "ce_replyto", "ce_correlationid")
_SAME_IN_EVERY_COPY: Final = (
    "ce_type",
    "ce_correlationid",
    "ce_replyto",
    "ce_sagastep",
    "ce_sagadirection",
    "ce_compensates",
)


def headers_by_name(headers: RawHeaders) -> dict[str, bytes]:
    """The headers by name; of a header that stands there twice the last one wins, one without a value is left out."""
    return {name: value for name, value in headers if value is not None}


def read_command(topic: str, key: bytes | None, value: bytes | None, raw_headers: RawHeaders) -> Command | Malformed:
    """Read what is needed to answer at all; `deviations` checks the rest."""
    headers = headers_by_name(raw_headers)
    missing = [name for name in _NEEDED if not headers.get(name)]
    if missing or not key or value is None:
        absent = [*missing, *([] if key else ["record key"]), *(["value"] if value is None else [])]
        return Malformed(f"it has no {', '.join(absent)}")
    asked = headers["ce_type"].decode(errors="replace")
    kind = COMMANDS.get(asked)
    if kind is None or topic != f"{kind.participant}.commands.v1":
        return Malformed(f"no participant on this topic knows the command {asked!r}")
    compensates = headers.get("ce_compensates")
    if (compensates is None) != (kind.undoes is None):
        return Malformed("ce_compensates must stand on an undo, and on nothing else")
    try:
        return Command(
            id=headers["ce_id"].decode(),
            kind=kind,
            order_id=key.decode(),
            reply_to=headers["ce_replyto"].decode(),
            compensates=None if compensates is None else compensates.decode(),
            fingerprint=_fingerprint(key, value, headers),
            value=value,
            headers=headers,
        )
    except UnicodeDecodeError as error:
        return Malformed(f"key or headers are not UTF-8 ({error})")


def _fingerprint(key: bytes, value: bytes, headers: Mapping[str, bytes]) -> str:
    parts = [key, value]
    for name in _SAME_IN_EVERY_COPY:
        parts.append(headers.get(name, b""))  # noqa: PERF401  (a generator costs half as much again, for every command)
    return blake2b(b"\x1f".join(parts), digest_size=8).hexdigest()


def reply_with(kind: CommandKind, reference: str) -> Reply:
    """The reply that says it is done; `reference` goes into the field that the kind gives, if it gives one."""
    if kind.gives is None:
        return DONE
    return Reply(kind.reply, json.dumps({kind.gives: reference}).encode())


def failure(code: str, message: str, *, retryable: bool) -> Reply:
    """The reply that says it is definitely not done, and whether asking again can help."""
    body = {"code": code, "message": message, "retryable": retryable, "details": None}
    return Reply("saga.failure.v1", json.dumps(body).encode())


def reply_headers(command: Command, reply: Reply, message_id: str, *, at: str, traced: bool = True) -> Headers:
    """The headers of a reply: its own id, source and time; the command's correlation and trace context echoed."""
    asked = command.headers
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", message_id.encode()),
        ("ce_source", f"/demo/{command.kind.participant}".encode()),
        ("ce_type", reply.type.encode()),
        ("ce_time", at.encode()),
        ("ce_subject", command.order_id.encode()),
        ("content-type", b"application/json"),
        ("ce_correlationid", asked["ce_correlationid"]),
        ("ce_causationid", asked["ce_id"]),
    ]
    if traced:
        headers += [(name, asked[name]) for name in ("traceparent", "tracestate") if name in asked]
    return headers


def instance_id(order_id: str) -> UUID:
    """The instance that looks after this order, as the page derives it."""
    return uuid5(NAMESPACE_URL, f"saga:order-fulfilment/{order_id}")
