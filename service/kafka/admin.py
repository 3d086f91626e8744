"""The topics that a catalog needs: which are there, which are missing, and their creation. Nothing is ever deleted."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from saga_coordinator.handlers.routing import REPLIES, Routes, commands_of, dead_letter_topic
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.kafka.errors import describe_connection_failure, describe_refusal
from saga_coordinator.service.settings import KafkaSettings

PARTITIONS: Final = 4
MAX_REPLICAS: Final = 3
CLOSE_TIMEOUT: Final = 3.0
CREATE_TIMEOUT: Final = 15.0
POLL_INTERVAL: Final = 0.1
LIMIT: Final = "max.message.bytes"


class State(StrEnum):
    """How a topic stands."""

    EXISTS = "exists"
    MISSING = "missing"
    DIFFERS = "differs"
    """It is there with another number of partitions than wished. That is never changed: its keys would move."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic that the catalog needs. `partitions` are those that it has, 0 if it is missing."""

    name: str
    purpose: str
    state: State
    partitions: int
    wanted: int


def topic_purposes(routes: Routes) -> Mapping[str, str]:
    """Return what each topic of a catalog is for, by its name."""
    told = dict.fromkeys(routes.event_topics, "events in") | {REPLIES: "replies in"}
    for saga in routes.sagas.values():
        told |= {command.topic: "commands out" for command in commands_of(saga)}
        told[saga.outcome_topic] = "outcomes out"
    told |= {dead_letter_topic(topic): "dead letters out" for topic in routes.topics_in}
    return {name: told[name] for name in sorted(told)}


async def plan(settings: KafkaSettings, routes: Routes, partitions: int = PARTITIONS) -> Sequence[Topic]:
    """Compare the topics that a catalog needs with those that are there.

    Raises `ConnectionError` when Kafka cannot be reached, or hides topics from this client, and aiokafka's errors when
    it refuses.
    """
    async with _admin(settings) as admin:
        topics = await _plan(admin, routes, partitions)
        await _check_visible(admin, settings, [each.name for each in topics if each.state is State.MISSING])
        return topics


async def apply(
    settings: KafkaSettings, routes: Routes, partitions: int = PARTITIONS, replication: int | None = None
) -> tuple[Sequence[Topic], Mapping[str, str]]:
    """Create what is missing, and wait until it can be used.

    Without `replication` a topic has three replicas, or as many as there are brokers if they are fewer. Returns the
    topics as they stand then, and by name the reasons why some could not be created. Raises as `plan` does.
    """
    async with _admin(settings) as admin:
        missing = [topic for topic in await _plan(admin, routes, partitions) if topic.state is State.MISSING]
        refused: dict[str, str] = {}
        if missing:
            replicas = replication or await _replicas(admin)
            created = [NewTopic(topic.name, partitions, replicas) for topic in missing]
            refused = dict(_refusals(await admin.create_topics(created)))
            await _there(admin, {topic.name for topic in missing} - refused.keys())
        return await _plan(admin, routes, partitions), refused


async def max_batch_bytes(settings: KafkaSettings, names: Collection[str]) -> Mapping[str, int]:
    """Return how many bytes a batch of each topic may have, as far as the broker tells this client.

    Raises `ConnectionError` when Kafka cannot be reached.
    """
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, {LIMIT: None}) for name in sorted(names)]
    async with _admin(settings) as admin:
        try:
            answers = await admin.describe_configs(wanted)
        except (IncompatibleBrokerVersion, NotImplementedError):
            return {}
    told = (resource for answer in answers for resource in answer.resources)
    return {name: int(value) for _, _, _, name, entries in told for _, value, *_ in entries}


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect for administration; everything within has a limit, and so has the end."""
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await _connected(admin, settings)
        async with asyncio.timeout(settings.request_timeout + CREATE_TIMEOUT):
            yield admin
    except TimeoutError as error:
        raise ConnectionError(f"Kafka at {settings.bootstrap_servers} did not answer in time: {error}") from error
    finally:
        await _closed(admin)


async def _connected(admin: AIOKafkaAdminClient, settings: KafkaSettings) -> None:
    try:
        async with asyncio.timeout(settings.request_timeout):
            await admin.start()
    except TimeoutError:
        raise
    except (OSError, KafkaError) as error:
        raise ConnectionError(await describe_connection_failure(settings, error)) from error


async def _closed(admin: AIOKafkaAdminClient) -> None:
    """Disconnect, or leave the connection when that does not end."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await admin.close()
    except (TimeoutError, KafkaError):
        return


async def _plan(admin: AIOKafkaAdminClient, routes: Routes, partitions: int) -> Sequence[Topic]:
    there = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}
    return [
        Topic(name, purpose, _state(there.get(name), partitions), there.get(name, 0), partitions)
        for name, purpose in topic_purposes(routes).items()
    ]


async def _check_visible(admin: AIOKafkaAdminClient, settings: KafkaSettings, missing: list[str]) -> None:
    """Ask for topics by name: one that this client may not see looks as if it were missing.

    Raises `ConnectionError`: they must be allowed, not created.
    """
    if not missing:
        return
    request = MetadataRequest(missing, allow_auto_topic_creation=False)
    answer = (await admin._send_request(request)).to_object()  # noqa: SLF001  what is public may create them unasked
    denied = TopicAuthorizationFailedError()
    if hidden := [each["topic"] for each in answer["topics"] if each["error_code"] == denied.errno]:
        raise ConnectionError(f"Kafka does not show {', '.join(sorted(hidden))}: {describe_refusal(settings, denied)}")


def _state(has: int | None, wanted: int) -> State:
    if has is None:
        return State.MISSING
    return State.EXISTS if has == wanted else State.DIFFERS


async def _replicas(admin: AIOKafkaAdminClient) -> int:
    """Return how many replicas suit this cluster."""
    return min(MAX_REPLICAS, len((await admin.describe_cluster())["brokers"]))


def _refusals(response: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  aiokafka carries no types
    """Yield the topics that were not created, each with the broker's reason. One that exists by now is no failure."""
    for name, code, *told in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            yield name, f"{error.__name__}: {told[0] if told and told[0] else error.description}"


async def _there(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until every partition of these topics has a leader."""
    while True:
        there = {each["topic"] for each in await admin.describe_topics() if _is_led(each["partitions"])}
        if names <= there:
            return
        await asyncio.sleep(POLL_INTERVAL)


def _is_led(partitions: Sequence[Mapping[str, int]]) -> bool:
    return bool(partitions) and all(each["leader"] >= 0 for each in partitions)
