"""The events about releases: the one that requests it, and the two outcomes."""

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
    """The release runs everywhere, and is the one for new hosts."""

    message_type = "releases.release-live.v1"

    release_id: str
    image: str


class ReleaseRolledBack(Event):
    """Every host runs its image of before. `step` is the step that failed, None when monitoring cancelled it."""

    message_type = "releases.release-rolled-back.v1"

    release_id: str
    step: str | None
    code: str
    message: str
