"""Guards database, group and topics: what does not belong together is not read, and the reason says what to do.

A database that was lost, or restored from an older copy, or that meets a group of another one, would decide again what
has been decided. So every commit of an offset carries the id of its database, and the database remembers the ids of its
cluster and of its topics.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from saga_coordinator.handlers.ports import LeaseStore
from saga_coordinator.handlers.records import DatabaseIdentity, Lease, PartitionOfTopic
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.aiokafka_internals import (
    ClusterDescription,
    committed_offsets,
    describe_topics,
)
from saga_coordinator.service.kafka.group_member import LogRanges
from saga_coordinator.service.settings import Settings, StartFrom

MARK: Final = "saga-database="


class CommittedOffset(NamedTuple):
    """What a group has committed for a partition, and the database that did so, None if that is not known."""

    offset: int
    database_id: str | None


class Stop(NamedTuple):
    """Why a partition is not read, and what to do."""

    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class KafkaState:
    """What Kafka says of the topics that are read. Asked for before the database: its offsets are then never behind."""

    cluster: ClusterDescription
    committed: Mapping[TopicPartition, CommittedOffset]

    def topic_id(self, topic: str) -> str | None:
        """Return Kafka's id of a topic, None if it is not known."""
        found = self.cluster.topics.get(topic)
        return None if found is None else found.id

    def partitions(self) -> Sequence[PartitionOfTopic]:
        """Return all partitions of the topics."""
        topics = self.cluster.topics.items()
        return [PartitionOfTopic(topic, each, found.id) for topic, found in topics for each in found.partitions]


def committed_as(database_id: str, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, tuple[int, str]]:
    """Return offsets as they are committed, with the database that they belong to."""
    return {at: (offset, MARK + database_id) for at, offset in offsets.items()}


async def read_state(consumer: AIOKafkaConsumer, topics: Collection[str]) -> KafkaState:
    """Ask Kafka. The consumer need not be a member of its group."""
    cluster = await describe_topics(consumer, topics)
    partitions = [TopicPartition(topic, each) for topic, found in cluster.topics.items() for each in found.partitions]
    committed = await committed_offsets(consumer, partitions)
    return KafkaState(
        cluster, {at: CommittedOffset(each.offset, _marked(each.metadata)) for at, each in committed.items()}
    )


def _marked(metadata: str | None) -> str | None:
    return metadata.removeprefix(MARK) if metadata and metadata.startswith(MARK) else None


class Guard:
    """Looks at Kafka, and says what the database may read of it."""

    def __init__(
        self, settings: Settings, topics: Collection[str], store: LeaseStore, *, is_recovering: bool = False
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._store = store
        self.is_recovering = is_recovering
        """Whether a database that went back reads what lies between, and commits nothing meanwhile."""

    async def admit(self, consumer: AIOKafkaConsumer) -> KafkaState:
        """Return what Kafka says. Raises `NotReady` if database, group and cluster do not belong together."""
        async with asyncio.timeout(self._settings.kafka.request_timeout):
            state = await read_state(consumer, self._topics)
        identity, leases = await self._store.identity(), await self._store.leases()
        problem = database_problem(state, identity, leases, self._settings, is_recovering=self.is_recovering)
        if problem:
            raise NotReady(problem)
        return state

    async def starts(self, state: KafkaState, logs: LogRanges) -> Mapping[TopicPartition, int | Stop]:
        """Return from where each partition is read, or why it is not. Topics that are new are registered.

        A topic that the broker does not describe yet is left out: whether it is new is not known.
        """
        identity, leases = await self._store.identity(), await self._store.leases()
        known = {lease.topic for lease in leases}
        new = [each for each in state.partitions() if each.topic not in known]
        if new or identity.cluster_id is None:
            await self._store.register(state.cluster.id, new)
            leases = await self._store.leases()
        start_from = self._settings.kafka.start_from
        return {
            at: start_of(at, leases, topic_id=state.topic_id(at.topic), log=log, start_from=start_from)
            for at, log in sorted(logs.items())
            if at.topic in state.cluster.topics
        }

    async def claim(self, consumer: AIOKafkaConsumer, state: KafkaState, leases: Sequence[Lease]) -> None:
        """Commit in the name of this database what the group does not have from it.

        Raises `NotReady` if another database has done so at the same time.
        """
        identity = await self._store.identity()
        ours = {at for at, each in state.committed.items() if each.database_id == identity.id}
        unclaimed = {
            TopicPartition(lease.topic, lease.partition): lease.next_offset or 0
            for lease in leases
            if lease.is_set or (lease.topic, lease.partition) not in ours
        }
        if unclaimed and not self.is_recovering:
            async with asyncio.timeout(self._settings.kafka.request_timeout):
                await consumer.commit(committed_as(identity.id, unclaimed))
            await self.admit(consumer)
            await self._store.confirm([(lease.topic, lease.partition) for lease in leases if lease.is_set])


def database_problem(
    state: KafkaState,
    identity: DatabaseIdentity,
    leases: Sequence[Lease],
    settings: Settings,
    *,
    is_recovering: bool = False,
) -> str | None:
    """Return why this database must read nothing at all and what to do, or None.

    One that is recovering may be behind what its group has committed, and not empty.
    """
    group, store = settings.kafka.group, settings.store
    if state.cluster.id and identity.cluster_id and state.cluster.id != identity.cluster_id:
        return (
            f"the database {store} belongs to the Kafka cluster {identity.cluster_id}, and "
            f"{settings.kafka.bootstrap_servers} is of the cluster {state.cluster.id}: correct "
            "SAGA_KAFKA__BOOTSTRAP_SERVERS or SAGA_STORE; after a move to another cluster, say from where each topic "
            "is read, by `saga positions set TOPIC POSITION --reason WHY`"
        )
    by_place = {(lease.topic, lease.partition): lease for lease in leases}
    for at, committed in sorted(state.committed.items()):
        lease = by_place.get(at)
        if lease is not None and lease.is_set:
            continue
        if committed.database_id not in {None, identity.id}:
            return (
                f"the consumer group {group} belongs to the database {committed.database_id}, and {store} is the "
                f"database {identity.id}: if another coordinator runs in this group, give one of them another name by "
                f"SAGA_NAME; if that database was lost, {_RESTORE}"
            )
        done = None if lease is None else lease.next_offset
        if committed.offset > (done or 0):
            if not any(each.epoch for each in leases):
                return f"the consumer group {group} has committed offsets, and the database {store} is empty: {_LOST}"
            if is_recovering:
                continue
            return (
                f"the database {store} went back: its consumer group {group} has committed {at.topic}:{at.partition} "
                f"up to {committed.offset}, and it has processed that up to {done or 0}: {_OLDER}"
            )
    return None


_RESTORE: Final = (
    "restore its newest backup; without one, `saga positions set TOPIC committed --reason WHY` lets this database "
    "continue each topic where the lost one ended: instances in progress are then unknown to it"
)
_LOST: Final = f"let SAGA_STORE name the database that it had; if that was lost, {_RESTORE}"
_OLDER: Final = (
    "was an older copy restored? `saga serve --recover` reads what lies between before it decides anything; "
    "`saga positions set TOPIC POSITION --reason WHY` continues without that"
)


def start_of(
    at: TopicPartition,
    leases: Collection[Lease],
    *,
    topic_id: str | None,
    log: tuple[int, int],
    start_from: StartFrom,
) -> int | Stop:
    """Return from where a partition is read: where it was left, or, if it is new, where its reading begins."""
    of_topic = [lease for lease in leases if lease.topic == at.topic]
    lease = next((each for each in of_topic if each.partition == at.partition), None)
    ids = {each.topic_id for each in ([lease] if lease else of_topic)}
    if topic_id and ids and not ids & {None, topic_id}:
        return _other_topic(at, ids, topic_id)
    first, end = log
    if lease is not None and lease.next_offset is not None:
        return lease.next_offset if first <= lease.next_offset <= end else _outside(at, lease.next_offset, log)
    is_known = lease is None or lease.epoch > 0  # a partition that was added to a topic, or one of an older version
    if first == end or is_known or start_from == "beginning":
        return first
    return end if start_from == "end" else _undecided(at, log)


def _other_topic(at: TopicPartition, known: Collection[str | None], topic_id: str) -> Stop:
    ids = ", ".join(sorted(each for each in known if each))
    return Stop(
        f"{at.topic}:{at.partition} is of another topic than before: its id was {ids} and is {topic_id}",
        "the topic was deleted and created again; "
        f"`saga positions set {at.topic} beginning --reason WHY` reads the new one",
    )


def _outside(at: TopicPartition, offset: int, log: tuple[int, int]) -> Stop:
    first, end = log
    return Stop(
        f"{at.topic}:{at.partition} is done up to {offset}, but its log reaches from {first} to {end}",
        "its records were deleted before they were read; find out what was lost, then say from where it continues, by "
        f"`saga positions set {at.topic}/{at.partition} POSITION --reason WHY`",
    )


def _undecided(at: TopicPartition, log: tuple[int, int]) -> Stop:
    first, end = log
    return Stop(
        f"{at.topic}:{at.partition} has records ({first} to {end}) from before this database first saw it",
        f"say from where it is read: `saga positions set {at.topic} beginning --reason WHY` (or `end`, a time, or an "
        "offset); SAGA_KAFKA__START_FROM says it for all topics",
    )
