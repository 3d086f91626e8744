"""Orders that could be real, each a function of its number and a seed: events with key, value, headers, trace."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from hashlib import shake_128
from typing import Final, NamedTuple, Self

from saga_coordinator.service.demo.behaviour import chance
from saga_coordinator.service.demo.conversation import Headers

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What sort of orders come, as shares from 0 to 1, and how soon a customer changes their mind.

    Attributes:
        large: Orders of 1000 and more, which need a fraud review.
        duplicates: Order events that come twice, byte for byte.
        cancels: Orders that their customer cancels within `cancel_within_s` seconds.
        early_cancels: Orders that come within `cancel_within_s` seconds after their own cancellation.
        cancel_within_s: See `cancels` and `early_cancels`.
        traced: Which trace context the events carry.
    """

    large: float = 0.05
    duplicates: float = 0.0
    cancels: float = 0.0
    early_cancels: float = 0.0
    cancel_within_s: float = 0.2
    traced: Traced = Traced.SAMPLED

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the fields above from a JSON object; those left out keep their defaults.

        Raises:
            ValueError: The text is not a JSON object, or holds a field or value that there is not.
        """
        given = json.loads(text)
        known = {each.name for each in fields(cls)}
        if not isinstance(given, dict) or given.keys() - known:
            raise ValueError(f"mix: a JSON object with some of {sorted(known)} is needed, not {text}")
        if "traced" in given:
            given["traced"] = Traced(given["traced"])
        return cls(**given)


class Event(NamedTuple):
    """A message as a Kafka producer takes it."""

    key: bytes
    value: bytes
    headers: Headers


def order_id(number: int, seed: int) -> str:
    """The id of the order with this number; another seed gives other orders."""
    return f"order-{seed:x}-{number:06d}"


def is_large(number: int, seed: int, mix: Mix) -> bool:
    """Whether this order reaches 1000 and so is reviewed."""
    return _hits(mix.large, "large", number, seed)


def order_event(number: int, seed: int, mix: Mix, *, at: str) -> Event:
    """The event that places order `number`; `at` is its `ce_time` (RFC 3339), all else follows from number and seed."""
    chosen = _choices("order", number, seed)
    lines = [_line(_ARTICLES, chosen) for _ in range(1 + next(chosen) % 3)]
    if is_large(number, seed, mix):
        lines.append(_line(_LARGE_ARTICLES, chosen))
    street, city, postcode, country = _PLACES[next(chosen) % len(_PLACES)]
    placed = {
        "order_id": order_id(number, seed),
        "customer_id": f"customer-{next(chosen) * 256 + next(chosen)}",
        "currency": "EUR",
        "total": _decimal(sum(quantity * cents for _, quantity, cents in lines)),
        "lines": [{"sku": sku, "quantity": quantity, "unit_price": _decimal(cents)} for sku, quantity, cents in lines],
        "ship_to": {"street": street, "city": city, "postcode": postcode, "country": country},
    }
    return _event("orders.order-placed.v1", placed, at, _trace("placed", number, seed, mix))


def cancel_event(number: int, seed: int, mix: Mix, *, at: str) -> Event:
    """The event that cancels order `number`, in a trace of its own."""
    cancelled = {"order_id": order_id(number, seed), "reason": "the customer changed their mind"}
    return _event("orders.order-cancelled.v1", cancelled, at, _trace("cancelled", number, seed, mix))


def extra_events(number: int, seed: int, mix: Mix, *, at: str) -> list[tuple[float, Event]]:
    """What comes beside the order itself: (seconds after the order, event); below zero is before it."""
    extras: list[tuple[float, Event]] = []
    if _hits(mix.early_cancels, "early cancel", number, seed):
        delay = mix.cancel_within_s * chance(seed, "order after its cancel", str(number))
        extras.append((-delay, cancel_event(number, seed, mix, at=at)))
    elif _hits(mix.cancels, "cancel", number, seed):
        delay = mix.cancel_within_s * chance(seed, "cancel after", str(number))
        extras.append((delay, cancel_event(number, seed, mix, at=at)))
    if _hits(mix.duplicates, "duplicate", number, seed):
        delay = mix.cancel_within_s * chance(seed, "duplicate after", str(number))
        extras.append((delay, order_event(number, seed, mix, at=at)))
    return extras


def _hits(share: float, what: str, number: int, seed: int) -> bool:
    return share > 0.0 and chance(seed, what, str(number)) < share


def _choices(what: str, number: int, seed: int) -> Iterator[int]:
    """Bytes enough for one order, always the same for the same order."""
    return iter(shake_128(f"{what}/{seed}/{number}".encode()).digest(48))


def _line(articles: tuple[tuple[str, int], ...], chosen: Iterator[int]) -> tuple[str, int, int]:
    """Article, quantity and price in cents; three lines of the small articles stay below 1000."""
    sku, cents = articles[next(chosen) % len(articles)]
    return sku, 1 if cents >= _ONE_EACH_FROM_CENTS else 1 + next(chosen) % 3, cents


def _decimal(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _trace(what: str, number: int, seed: int, mix: Mix) -> Headers:
    if mix.traced is Traced.NOT_AT_ALL:
        return []
    ids = shake_128(f"trace/{what}/{seed}/{number}".encode()).hexdigest(24)
    flag = "01" if mix.traced is Traced.SAMPLED else "00"
    return [("traceparent", f"00-{ids[:32]}-{ids[32:]}-{flag}".encode())]


def _event(event_type: str, body: Mapping[str, object], at: str, trace: Headers) -> Event:
    key = str(body["order_id"])
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"{event_type}/{key}".encode()),
        ("ce_source", b"/demo/shop"),
        ("ce_type", event_type.encode()),
        ("ce_time", at.encode()),
        ("ce_subject", key.encode()),
        ("content-type", b"application/json"),
        *trace,
    ]
    return Event(key.encode(), json.dumps(body).encode(), headers)
