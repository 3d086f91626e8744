"""What becomes of one direction of a step: each function returns the leg as it is afterwards."""

from dataclasses import replace
from datetime import datetime, timedelta

from saga_coordinator.sagas.machine.instance import Leg, Progress


def come_to(leg: Leg, progress: Progress, due_at: datetime | None) -> Leg:
    """The leg has come so far. One that is not asked under this id again forgets its payload."""
    may_be_sent_again = progress is Progress.UNKNOWN
    return Leg(
        progress=progress,
        attempt=leg.attempt,
        sendings=leg.sendings,
        command_id=leg.command_id,
        asked_at=leg.asked_at,
        due_at=due_at,
        payload=leg.payload if may_be_sent_again else None,
        since=leg.since,
        repeated=leg.repeated and may_be_sent_again,
        withdrawn=leg.withdrawn and may_be_sent_again,
    )


def asked_again(leg: Leg, at: datetime, due_at: datetime) -> Leg:
    """The same command was sent once more, under the same id."""
    sendings = leg.sendings + 1
    return replace(leg, progress=Progress.ASKED, sendings=sendings, asked_at=at, due_at=due_at, repeated=True)


def renewed(leg: Leg, at: datetime) -> Leg:
    """The leg is due to be asked now, as if for the first time: after a "not done" under a new id."""
    progress = Progress.WAITING if leg.progress is Progress.REFUSED else leg.progress
    since = None if leg.since is None else at
    return replace(leg, progress=progress, sendings=0, due_at=at, since=since)


def moved(leg: Leg, by: timedelta) -> Leg:
    """The leg is due so much later, and its total time began so much later; one that is not due stays as it is."""
    if leg.due_at is None:
        return leg
    return replace(leg, due_at=leg.due_at + by, since=leg.since and leg.since + by)
