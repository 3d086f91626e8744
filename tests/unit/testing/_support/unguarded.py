"""A saga as it is easily written: its refund takes for granted that the charge was answered."""

from pydantic import BaseModel, ConfigDict

from saga_coordinator.contracts import Command, Done
from saga_coordinator.contracts.messages.payments import CardCharged
from saga_coordinator.sagas import Cause, Saga, pivot, step
from tests.support.saga_kit import Begun, Finished, Unwound, key


class Charge(Command[CardCharged]):
    message_type = "unguarded.charge.v1"
    topic = "unguarded.commands.v1"

    key: str


class Refund(Command[Done]):
    message_type = "unguarded.refund.v1"
    topic = "unguarded.commands.v1"

    charge_id: str


class Ship(Command[Done]):
    message_type = "unguarded.ship.v1"
    topic = "unguarded.commands.v1"

    key: str


class Paid(BaseModel):
    model_config = ConfigDict(frozen=True)

    key: str
    charge_id: str | None = None


def begin(event: Begun) -> Paid:
    return Paid(key=event.key)


def charge(data: Paid) -> Charge:
    return Charge(key=data.key)


def charged(data: Paid, reply: CardCharged) -> Paid:
    return data.model_copy(update={"charge_id": reply.charge_id})


def refund(data: Paid) -> Refund:
    return Refund.model_validate({"charge_id": data.charge_id})


def ship(data: Paid) -> Ship:
    return Ship(key=data.key)


def finished(data: Paid) -> Finished:
    return Finished(key=data.key)


def undone(data: Paid, cause: Cause) -> Unwound:
    return Unwound(key=data.key, step=None, code=cause.code)


unguarded = Saga(
    name="unguarded",
    version=1,
    starts_on=Begun,
    correlate=key,
    begin=begin,
    steps=(step("charge", charge, remember=charged, compensate=refund), pivot("ship", ship)),
    on_completed=finished,
    on_compensated=undone,
)
