"""The conversation with the monitoring: probe and watch servers, and its events about releases."""

from collections.abc import Mapping

from saga_coordinator.contracts.message import Command, Done, Event

TOPIC = "monitoring.commands.v1"
EVENTS = "monitoring.events.v1"


class ProbeServers(Command[Done]):
    """Check that all servers answer. A retryable failure means: not yet."""

    message_type = "monitoring.probe-servers.v1"
    topic = TOPIC
    safe = True

    addresses: Mapping[str, str]


class WatchServers(Command[Done]):
    """Watch servers from now on."""

    message_type = "monitoring.watch-servers.v1"
    topic = TOPIC

    owner: str
    addresses: Mapping[str, str]


class ReleaseFoundHealthy(Event):
    """A release has met its objectives for the whole time of measurement."""

    message_type = "monitoring.release-found-healthy.v1"
    topic = EVENTS

    release_id: str
    error_rate: float


class ReleaseAlarmRaised(Event):
    """A release misses an objective."""

    message_type = "monitoring.release-alarm-raised.v1"
    topic = EVENTS

    release_id: str
    alarm: str
