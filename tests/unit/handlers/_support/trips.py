"""Two sagas for the handlers' tests: a trip that waits for events and books its hotel by a child saga of its own."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from saga_coordinator.contracts import Command, Done, Event, Reply
from saga_coordinator.sagas import Cause, Saga, delay, pivot, receive, series, step
from saga_coordinator.sagas.language.nodes import Node


class TripAsked(Event):
    message_type, topic = "trips.trip-asked.v1", "trips.events.v1"

    trip: str


class TripCancelled(Event):
    message_type, topic = "trips.trip-cancelled.v1", "trips.events.v1"

    trip: str


class Approved(Event):
    message_type, topic = "trips.approved.v1", "trips.events.v1"

    trip: str
    by: str = "boss"


class Paid(Event):
    """Found by an invoice that only the data know."""

    message_type, topic = "bank.paid.v1", "bank.events.v1"

    invoice: str


class Ended(Event):
    message_type = "trips.ended.v1"

    trip: str
    words: tuple[str, ...]


class Booked(Reply):
    message_type = "hotels.booked.v1"

    room: str


class BookHotel(Command[Booked]):
    message_type, topic = "hotels.book.v1", "hotels.commands.v1"
    cancellable = True

    trip: str


class CancelHotel(Command[Done]):
    message_type, topic = "hotels.unbook.v1", "rooms.commands.v1"

    trip: str


class HoldRoom(Command[Done]):
    message_type, topic = "rooms.hold.v1", "rooms.commands.v1"

    trip: str


class FreeRoom(Command[Done]):
    message_type, topic = "rooms.free.v1", "rooms.commands.v1"

    trip: str


class SendTicket(Command[Done]):
    message_type, topic = "tickets.send.v1", "tickets.commands.v1"

    trip: str


class Trip(BaseModel):
    model_config = ConfigDict(frozen=True)

    trip: str
    words: tuple[str, ...] = ()


def asked(event: TripAsked) -> Trip:
    return Trip(trip=event.trip)


def booking(command: BookHotel) -> Trip:
    return Trip(trip=command.trip)


def trip_of(message: TripAsked | TripCancelled | Approved | BookHotel) -> str:
    return message.trip


def approver(data: Trip, event: Approved) -> Trip:
    return data.model_copy(update={"words": (*data.words, event.by)})


def invoice_of(event: Paid) -> str:
    return event.invoice


def invoice(data: Trip) -> str:
    return f"invoice-{data.trip}"


def book(data: Trip) -> BookHotel:
    return BookHotel(trip=data.trip)


def booked(data: Trip, reply: Booked) -> Trip:
    return data.model_copy(update={"words": (*data.words, reply.room)})


def unbook(data: Trip) -> CancelHotel:
    return CancelHotel(trip=data.trip)


def hold(data: Trip) -> HoldRoom:
    return HoldRoom(trip=data.trip)


def free(data: Trip) -> FreeRoom:
    return FreeRoom(trip=data.trip)


def ticket(data: Trip) -> SendTicket:
    return SendTicket(trip=data.trip)


def ended(data: Trip) -> Ended:
    return Ended(trip=data.trip, words=data.words)


def unwound(data: Trip, cause: Cause) -> Ended:
    return Ended(trip=data.trip, words=(*data.words, cause.code))


def room(data: Trip) -> Booked:
    return Booked(room=f"room for {data.trip}")


def trip(*nodes: Node[Trip]) -> Saga[TripAsked, Trip]:
    """A trip of these nodes, which begins with the first of them and ends with its ticket."""
    return Saga(
        name="trip",
        version=1,
        starts_on=TripAsked,
        correlate=trip_of,
        begin=asked,
        steps=(*nodes, pivot("send-ticket", ticket)),
        on_completed=ended,
        on_compensated=unwound,
        cancel_on=TripCancelled,
    )


approval: Node[Trip] = receive("approval", Approved, key=trip_of, remember=approver)
payment: Node[Trip] = receive("payment", Paid, key=invoice_of, expects=invoice)
hotel: Node[Trip] = step("hotel", book, remember=booked, compensate=unbook)

hotel_booking: Saga[Any, Trip] = Saga(
    name="hotel-booking",
    version=1,
    starts_on=BookHotel,
    correlate=trip_of,
    begin=booking,
    steps=(step("hold-room", hold, compensate=free),),
    on_completed=room,
)

catalog = (trip(series(step("hold-room", hold, compensate=free), delay("cool-off", timedelta(days=2)), approval)),)
"""For `SAGA_CATALOG`: a trip that is approved no sooner than two days after its room is held."""
