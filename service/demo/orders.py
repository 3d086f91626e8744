"""Orders that could be real, each a function of its number and a seed: events with key, value, headers, trace."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from hashlib import shake_128
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from saga_coordinator.contracts import Envelope
from saga_coordinator.contracts.envelope import Headers, write
from saga_coordinator.contracts.messages.orders import Address, Line, OrderCancelled, OrderPlaced
from saga_coordinator.service.demo.behaviour import Share, chance

_ONE_EACH_FROM_CENTS: Final = 10_000
_ARTICLES: Final = (
    ("espresso-cups-6", 2490), ("kettle-1l", 3999), ("desk-lamp", 5450), ("wool-blanket", 7900), ("chef-knife", 8900),
    ("rucksack-30l", 12900), ("headphones", 14950), ("office-chair", 21900),
)  # fmt: skip
_LARGE_ARTICLES: Final = (("cargo-bike", 389900), ("laptop-14", 129900), ("sofa-3", 149000))
_PLACES: Final = (
    ("Kastanienallee 12", "Berlin", "10435", "DE"), ("Rue des Martyrs 7", "Paris", "75009", "FR"),
    ("Via Garibaldi 3", "Torino", "10122", "IT"), ("Gran Via 41", "Madrid", "28013", "ES"),
    ("Nyhavn 22", "Copenhagen", "1051", "DK"), ("Lindengasse 9", "Wien", "1070", "AT"),
)  # fmt: skip


class Traced(StrEnum):
    """Which trace context an order event carries."""

    SAMPLED = "sampled"
    UNSAMPLED = "unsampled"
    NOT_AT_ALL = "none"


class Mix(BaseModel):
    """What sort of orders come, as shares from 0 to 1, and how soon a customer cancels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    large: Share = 0.05  # orders of 1000 and more, which need a fraud review
    duplicates: Share = 0.0  # order events that come twice, byte for byte
    cancels: Share = 0.0  # cancelled within `cancel_within_s` seconds
    early_cancels: Share = 0.0  # placed within `cancel_within_s` seconds after their own cancellation
    cancel_within_s: float = 0.2
    traced: Traced = Traced.SAMPLED


class OrderMessage(NamedTuple):
    """A message as a Kafka producer takes it."""

    key: bytes
    value: bytes
    headers: Headers


def order_id(number: int, seed: int) -> str:
    """Return the id of the order with this number; another seed gives other orders."""
    return f"order-{seed:x}-{number:06d}"


def is_large(number: int, seed: int, mix: Mix) -> bool:
    """Return whether this order reaches 1000 and so is reviewed."""
    return _hits(mix.large, "large", number, seed)


def order_event(number: int, seed: int, mix: Mix, *, at: str) -> OrderMessage:
    """Return the event that places order `number`. `at` is its `ce_time`; all else follows from number and seed."""
    chosen = iter(shake_128(f"order/{seed}/{number}".encode()).digest(48))
    lines = [_line(_ARTICLES, chosen) for _ in range(1 + next(chosen) % 3)]
    if is_large(number, seed, mix):
        lines.append(_line(_LARGE_ARTICLES, chosen))
    street, city, postcode, country = _PLACES[next(chosen) % len(_PLACES)]
    placed = OrderPlaced(
        order_id=order_id(number, seed),
        customer_id=f"customer-{next(chosen) * 256 + next(chosen)}",
        currency="EUR",
        total=sum((line.unit_price * line.quantity for line in lines), Decimal(0)),
        lines=tuple(lines),
        ship_to=Address(street=street, city=city, postcode=postcode, country=country),
    )
    return _event(placed, at, _traceparent("placed", number, seed, mix))


def cancel_event(number: int, seed: int, mix: Mix, *, at: str) -> OrderMessage:
    """Return the event that cancels order `number`, in a trace of its own."""
    cancelled = OrderCancelled(order_id=order_id(number, seed), reason="the customer changed their mind")
    return _event(cancelled, at, _traceparent("cancelled", number, seed, mix))


def extra_events(number: int, seed: int, mix: Mix, *, at: str) -> list[tuple[float, OrderMessage]]:
    """Return what comes beside the order itself: (seconds after the order, event); below zero is before it."""
    extras: list[tuple[float, OrderMessage]] = []
    if _hits(mix.early_cancels, "early cancel", number, seed):
        extras.append((-_delay("order after its cancel", number, seed, mix), cancel_event(number, seed, mix, at=at)))
    elif _hits(mix.cancels, "cancel", number, seed):
        extras.append((_delay("cancel after", number, seed, mix), cancel_event(number, seed, mix, at=at)))
    if _hits(mix.duplicates, "duplicate", number, seed):
        extras.append((_delay("duplicate after", number, seed, mix), order_event(number, seed, mix, at=at)))
    return extras


def _delay(what: str, number: int, seed: int, mix: Mix) -> float:
    return mix.cancel_within_s * chance(seed, what, str(number))


def _hits(share: float, what: str, number: int, seed: int) -> bool:
    return share > 0.0 and chance(seed, what, str(number)) < share


def _line(articles: tuple[tuple[str, int], ...], chosen: Iterator[int]) -> Line:
    """Return a line of one article; three lines of the small articles stay below 1000."""
    sku, cents = articles[next(chosen) % len(articles)]
    quantity = 1 if cents >= _ONE_EACH_FROM_CENTS else 1 + next(chosen) % 3
    return Line(sku=sku, quantity=quantity, unit_price=Decimal(cents).scaleb(-2))


def _traceparent(what: str, number: int, seed: int, mix: Mix) -> str | None:
    if mix.traced is Traced.NOT_AT_ALL:
        return None
    ids = shake_128(f"trace/{what}/{seed}/{number}".encode()).hexdigest(24)
    return f"00-{ids[:32]}-{ids[32:]}-{'01' if mix.traced is Traced.SAMPLED else '00'}"


def _event(message: OrderPlaced | OrderCancelled, at: str, traceparent: str | None) -> OrderMessage:
    kind, key = message.message_type, message.order_id
    envelope = Envelope(
        id=f"{kind}/{key}", type=kind, source="/demo/shop", time=at, subject=key, traceparent=traceparent
    )
    return OrderMessage(key.encode(), message.model_dump_json().encode(), write(envelope))
