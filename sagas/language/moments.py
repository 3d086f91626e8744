"""Times that a definition takes from the data: what no declaration could check is checked when they count."""

from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel

from saga_coordinator.sagas.language.nodes import Duration, duration_of

D = TypeVar("D", bound=BaseModel)


def with_zone(at: datetime, who: str) -> datetime:
    """Return a time in UTC. Raises `ValueError` if it has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"{who} waits until {at}, a time without a zone: give it one, such as datetime.UTC")
    return at.astimezone(UTC)


def timeout_of(timeout: Duration[D], data: D, who: str) -> timedelta:
    """Return a timeout. Raises `ValueError` for one of nothing, which would ask again and again at the same moment."""
    length = duration_of(timeout, data)
    if length <= timedelta(0):
        raise ValueError(f"{who} has a timeout of {length}: it must be longer than nothing")
    return length
