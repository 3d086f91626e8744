"""Travellers in simulated worlds: trips that wait for two events and a delay, and book their hotel by a child saga."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

from saga_coordinator.contracts import Event
from saga_coordinator.sagas import Retry, Saga, delay, parallel, receive, step
from saga_coordinator.sagas.testing.variants import scale_time
from tests.resilience.worlds._support.broker import Broker
from tests.unit.handlers._support import trips as usual
from tests.unit.handlers._support.order_log import attributes
from tests.unit.handlers._support.trips import Approved, Paid, TripAsked, TripCancelled

MINUTE: Final = timedelta(minutes=1)
TIME_SCALE: Final = 60
"""A minute becomes a second."""

ANSWERS: Final[dict[str, tuple[str, dict[str, str]]]] = dict.fromkeys(
    ("rooms.hold.v1", "rooms.free.v1", "hotels.unbook.v1", "tickets.send.v1"), ("saga.done.v1", {})
)
TOPICS: Final = ("rooms.commands.v1", "tickets.commands.v1")

_trip: Final = usual.trip(
    parallel(
        receive(
            "approval", Approved, key=usual.trip_of, remember=usual.approver, timeout=8 * MINUTE, buffer_for=9 * MINUTE
        ),
        receive(
            "payment", Paid, key=usual.invoice_of, expects=usual.invoice, timeout=8 * MINUTE, buffer_for=9 * MINUTE
        ),
    ),
    step(
        "hotel", usual.book, remember=usual.booked, compensate=usual.unbook, retry=Retry(attempts=3, first=MINUTE / 60)
    ),
    delay("cool-off", MINUTE),
)
catalog: Final[tuple[Saga[Any, Any], ...]] = (
    scale_time(_trip, TIME_SCALE),
    scale_time(usual.hotel_booking, TIME_SCALE),
)


@dataclass
class Travellers:
    """Ask for trips; approvals and payments come too early, late, twice or never, and some change their mind."""

    broker: Broker
    chance: Random
    trips: list[str] = field(default_factory=list)

    def open(self, count: int, within: float) -> None:
        """Plan everything that they will say."""
        for number in range(count):
            trip = f"t-{number}"
            self.trips.append(trip)
            at = self.chance.random() * within
            self._say(at, trip, TripAsked(trip=trip), copies=1 + (self.chance.random() < 0.2))
            for event in (Approved(trip=trip), Paid(invoice=f"invoice-{trip}")):
                if self.chance.random() < 0.9:
                    after = self.chance.random() * 5 - 2
                    self._say(at + after, trip, event, copies=1 + (self.chance.random() < 0.3))
            if self.chance.random() < 0.3:
                self._say(at + self.chance.random() * 6 - 0.5, trip, TripCancelled(trip=trip))

    def _say(self, at: float, trip: str, event: Event, copies: int = 1) -> None:
        topic, key = type(event).topic, trip.encode()
        headers = tuple(attributes(f"{event.message_type}-{trip}", event.message_type).items())
        place = (topic, self.broker.partition(topic, key))
        loop = asyncio.get_running_loop()
        for _ in range(copies):
            when = max(0.0, at + self.chance.random() * 0.3)
            loop.call_later(when, self.broker.append, *place, key, event.model_dump_json().encode(), headers)
