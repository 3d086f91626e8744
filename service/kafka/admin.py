"""The topics that a catalog needs: which of them exist, their limits, and their creation. Nothing is ever deleted."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import ApiVersionRequest

from saga_coordinator.handlers.names import dead_letter_topic
from saga_coordinator.handlers.routing import Routes, commands_of
from saga_coordinator.service.kafka.aiokafka_internals import allowed_on_group, allowed_on_topics, topic_errors
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.kafka.errors import NO_CONNECTION, describe_refusal, diagnose
from saga_coordinator.service.settings import KafkaSettings

PARTITIONS: Final = 4
MAX_REPLICAS: Final = 3
CLOSE_TIMEOUT: Final = 3.0
CREATE_TIMEOUT: Final = 15.0
POLL_INTERVAL: Final = 0.1
LIMIT: Final = "max.message.bytes"
RETENTION: Final = "retention.ms"
MIN_INSYNC: Final = "min.insync.replicas"
MIN_RETENTION_MS: Final = 14 * 24 * 3600 * 1000
"""Two weeks: a redelivery, a restore and a long outage find their records."""
EVENTS_IN: Final = "events in"
COMMANDS_OUT: Final = "commands out"
FETCH: Final = 1
RELEASES: Final = ((18, "4.1"), (17, "3.9"), (16, "3.7"), (15, "3.5"), (13, "3.1"), (12, "2.7"), (11, "2.3"))
"""The newest version of the Fetch request, and the first release of Kafka that has it."""


class NoSuchTopic(LookupError):
    """A topic that the coordinator needs does not exist: `saga topics apply` creates it."""


class TopicState(StrEnum):
    """Whether a topic is as it should be."""

    EXISTS = "exists"
    MISSING = "missing"
    DIFFERS = "differs"
    """It has fewer partitions than planned. That is never changed: its keys would move. More are as good."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic that the catalog needs. `partitions` is how many it has, 0 if it is missing."""

    name: str
    purpose: str
    state: TopicState
    partitions: int
    wanted: int
    advice: Sequence[str] = ()
    """What should be changed by hand, each with the command."""

    @property
    def is_foreign(self) -> bool:
        """Return whether it belongs to another service: the sender of its events, or the reader of its commands."""
        return self.purpose in {EVENTS_IN, COMMANDS_OUT}


def topic_purposes(routes: Routes) -> Mapping[str, str]:
    """Return what each topic of a catalog is for, by its name."""
    purposes = dict.fromkeys(routes.event_topics, EVENTS_IN) | {routes.names.replies: "replies in"}
    for saga in routes.sagas.values():
        purposes |= {command.topic: COMMANDS_OUT for command in commands_of(saga)}
        purposes[routes.names.outcomes(saga.name)] = "outcomes out"
    purposes |= {dead_letter_topic(topic): "dead letters out" for topic in routes.topics_in}
    return {name: purposes[name] for name in sorted(purposes)}


async def plan(settings: KafkaSettings, routes: Routes, partitions: int = PARTITIONS) -> Sequence[Topic]:
    """Compare the topics that a catalog needs with those that exist.

    Raises `ConnectionError` when Kafka cannot be reached, or hides topics from this client, and aiokafka's errors when
    it refuses.
    """
    async with _admin(settings) as admin:
        topics = await _plan(admin, routes, partitions)
        await _check_visible(admin, settings, [each.name for each in topics if each.state is TopicState.MISSING])
        return topics


async def apply(
    settings: KafkaSettings, routes: Routes, partitions: int = PARTITIONS, replication: int | None = None
) -> tuple[Sequence[Topic], Mapping[str, str]]:
    """Create what is missing, and wait until it has leaders.

    Without `replication` a topic has three replicas, or as many as there are brokers if they are fewer. Returns the
    topics as they are then, and by name the reasons why some could not be created. Raises as `plan` does.
    """
    async with _admin(settings) as admin:
        missing = [topic for topic in await _plan(admin, routes, partitions) if topic.state is TopicState.MISSING]
        await _check_visible(admin, settings, [topic.name for topic in missing])
        refused: dict[str, str] = {}
        if missing:
            replicas = replication or min(MAX_REPLICAS, len((await admin.describe_cluster())["brokers"]))
            configs = {RETENTION: str(MIN_RETENTION_MS), MIN_INSYNC: str(insync_for(replicas))}
            created = [NewTopic(topic.name, partitions, replicas, topic_configs=configs) for topic in missing]
            refused = dict(_refusals(await admin.create_topics(created)))
            await _wait_for_leaders(admin, {topic.name for topic in missing} - refused.keys())
        return await _plan(admin, routes, partitions), refused


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """How many partitions a topic has, and how many bytes a batch of it may have, if the broker reports it."""

    partitions: int
    max_bytes: int | None


async def check_topics(settings: KafkaSettings, names: Collection[str]) -> Mapping[str, TopicLimits]:
    """Return the limits of topics, which are checked before any client could create one by asking for it.

    Raises `NoSuchTopic`, which names all that are missing, `ConnectionError` when Kafka cannot be reached or hides
    topics from this client, and aiokafka's errors.
    """
    async with _admin(settings) as admin:
        existing = {each["topic"]: each for each in await admin.describe_topics()}
        missing = sorted(name for name in names if name not in existing)
        await _check_visible(admin, settings, missing)
        if missing:
            raise NoSuchTopic(f"topics are missing: {', '.join(missing)}; create them by `saga topics apply`")
        for name in names:
            if code := existing[name]["error_code"]:
                raise for_code(code)(f"topic {name}")
        limits = await _configs(admin, names, LIMIT)
        return {name: TopicLimits(len(existing[name]["partitions"]), limits.get(name, {}).get(LIMIT)) for name in names}


async def allowed_operations(
    settings: KafkaSettings, topics: Collection[str]
) -> Mapping[tuple[str, str], Collection[str]]:
    """Return what this client may do on topics and on its group, by kind and name, as far as the broker reports it.

    Raises as `plan` does.
    """
    async with _admin(settings) as admin:
        on_topics = await allowed_on_topics(admin, topics)
        on_group = await allowed_on_group(admin, settings.group)
    allowed = {("topic", name): operations for name, operations in on_topics.items()}
    return allowed if on_group is None else {**allowed, ("group", settings.group): on_group}


class Cluster(NamedTuple):
    """A Kafka cluster that answers. `release` is the oldest release that has its protocol."""

    brokers: int
    release: str


async def describe_cluster(settings: KafkaSettings) -> Cluster:
    """Return what answers at the address. Raises `OSError`, `TimeoutError` or `ClientError` if nothing does."""
    client = AIOKafkaClient(**connection(settings))
    try:
        async with asyncio.timeout(settings.request_timeout):
            await client.bootstrap()
            response = await client.send(client.get_random_node(), ApiVersionRequest())
            return Cluster(len(client.cluster.brokers()), _release(response.api_versions))
    finally:
        await close(client)


def _release(api_versions: Sequence[tuple[int, int, int]]) -> str:
    newest = {key: highest for key, _, highest in api_versions}.get(FETCH, 0)
    return next((f"Kafka {release} or newer" for version, release in RELEASES if newest >= version), "Kafka before 2.3")


async def _configs(admin: AIOKafkaAdminClient, names: Collection[str], *keys: str) -> Mapping[str, Mapping[str, int]]:
    """Return some numbers of the configuration of each topic, as far as the broker reports them to this client."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(keys)) for name in sorted(names)]
    try:
        answers = await admin.describe_configs(wanted) if wanted else []
    except (IncompatibleBrokerVersion, NotImplementedError):
        return {}
    resources = (resource for answer in answers for resource in answer.resources)
    return {name: {key: int(value) for key, value, *_ in entries} for _, _, _, name, entries in resources}


def insync_for(replicas: int) -> int:
    """Return how many replicas have to acknowledge: with three, one may fail, and no message is lost or refused."""
    return 2 if replicas >= MAX_REPLICAS else 1


def _advice(name: str, replicas: int, configs: Mapping[str, int], brokers: int) -> Iterator[str]:
    """Yield what should be changed of a topic that exists, and how."""
    alter = f"kafka-configs.sh --alter --topic {name} --add-config"
    if replicas < min(MAX_REPLICAS, brokers):
        yield f"{replicas} of {min(MAX_REPLICAS, brokers)} replicas: add them by kafka-reassign-partitions.sh"
    insync = insync_for(replicas)
    if configs.get(MIN_INSYNC, insync) < insync:
        yield f"{MIN_INSYNC} is {configs[MIN_INSYNC]}: a failing broker loses messages: {alter} {MIN_INSYNC}={insync}"
    if 0 <= (kept := configs.get(RETENTION, -1)) < MIN_RETENTION_MS:
        days = f"{kept / (24 * 3600 * 1000):g} days, less than 14 or than the age of your oldest backup"
        yield f"{RETENTION} is {days}: {alter} {RETENTION}={MIN_RETENTION_MS}"


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield an admin client; connecting, the work with it, and closing have limits."""
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(settings.request_timeout):
            await admin.start()
        async with asyncio.timeout(settings.request_timeout + CREATE_TIMEOUT):
            yield admin
    except NO_CONNECTION as error:
        raise ConnectionError(str(await diagnose(settings, error))) from error
    finally:
        await close(admin)


async def close(client: Any) -> None:  # noqa: ANN401  aiokafka carries no types
    """Close a client of aiokafka, or leave its connections when that takes too long."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await client.close()
    except (TimeoutError, KafkaError):
        return


async def _plan(admin: AIOKafkaAdminClient, routes: Routes, partitions: int) -> Sequence[Topic]:
    purposes = topic_purposes(routes)
    existing = {
        each["topic"]: each["partitions"] for each in await admin.describe_topics() if each["topic"] in purposes
    }
    configs = await _configs(admin, existing, RETENTION, MIN_INSYNC)
    brokers = len((await admin.describe_cluster())["brokers"]) if configs else 0
    return [
        Topic(
            name,
            purpose,
            _state(len(existing[name]) if name in existing else None, partitions),
            len(existing.get(name, ())),
            partitions,
            tuple(_advice(name, _replication(existing[name]), configs[name], brokers)) if name in configs else (),
        )
        for name, purpose in purposes.items()
    ]


async def _check_visible(admin: AIOKafkaAdminClient, settings: KafkaSettings, missing: list[str]) -> None:
    """Raise `ConnectionError` if topics only look missing because this client is not authorized to see them."""
    if not missing:
        return
    denied = TopicAuthorizationFailedError()
    errors = await topic_errors(admin, missing)
    if hidden := sorted(topic for topic, code in errors.items() if code == denied.errno):
        raise ConnectionError(f"Kafka does not show {', '.join(hidden)}: {describe_refusal(settings, denied)}")


def _replication(partitions: Sequence[Mapping[str, Any]]) -> int:
    return min((len(each["replicas"]) for each in partitions), default=0)


def _state(has: int | None, wanted: int) -> TopicState:
    if has is None:
        return TopicState.MISSING
    return TopicState.EXISTS if has >= wanted else TopicState.DIFFERS


def _refusals(response: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  aiokafka carries no types
    """Yield the topics that were not created, each with the broker's reason. One that exists by now is no failure."""
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            yield name, f"{error.__name__}: {message[0] if message and message[0] else error.description}"


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    while True:
        led = {each["topic"] for each in await admin.describe_topics() if _is_led(each["partitions"])}
        if names <= led:
            return
        await asyncio.sleep(POLL_INTERVAL)


def _is_led(partitions: Sequence[Mapping[str, int]]) -> bool:
    return bool(partitions) and all(each["leader"] >= 0 for each in partitions)
