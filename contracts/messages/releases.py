"""What is said about releases: the event that asks for one, and the two outcomes."""

from typing import Annotated

from pydantic import Field

from saga_coordinator.contracts.message import Event

TOPIC = "releases.events.v1"


class ReleaseRequested(Event):
    """A commit of a service is to go live on hosts, in their order; the first ones are the canaries."""

    message_type = "releases.release-requested.v1"
    topic = TOPIC

    release_id: str
    service: str
    commit: str
    hosts: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]


class ReleaseLive(Event):
    """The release runs everywhere, and is what new hosts get."""

    message_type = "releases.release-live.v1"

    release_id: str
    image: str


class ReleaseRolledBack(Event):
    """Every host runs what it ran before. `step` is where it failed, None when an alarm was raised."""

    message_type = "releases.release-rolled-back.v1"

    release_id: str
    step: str | None
    code: str
    message: str
