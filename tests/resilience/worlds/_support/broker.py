"""A Kafka in memory: logs, a consumer group that moves partitions about, sends that fail, come late or come twice."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, NoOffsetForPartitionError
from aiokafka.partitioner import murmur2

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.records import OutboxMessage, RawHeaders
from saga_coordinator.service.kafka.aiokafka_internals import ClusterDescription, TopicDescription
from saga_coordinator.service.kafka.guard import CommittedOffset, KafkaState
from tests.resilience.worlds._support.database import CLUSTER_ID, DATABASE_ID
from tests.resilience.worlds._support.loop import Life, below, current_life
from tests.unit.handlers._support.coordinator import Posting

PARTITIONS = 2
SESSION_TIMEOUT = 6.0
EPOCH_MS = 1_767_225_600_000


class Polled(NamedTuple):
    """A record as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders
    timestamp_type: int = 0


@dataclass
class Weather:
    """What happens to sends and polls now: shares from 0 to 1."""

    is_down: bool = False
    loses_send: float = 0.0
    loses_ack: float = 0.0
    delays_send: float = 0.0


@dataclass
class Broker:
    """All topics. `listeners` hear of every record that is appended to theirs."""

    chance: random.Random
    weather: Weather = field(default_factory=Weather)
    logs: defaultdict[tuple[str, int], list[Polled]] = field(default_factory=lambda: defaultdict(list))
    hints: dict[TopicPartition, int] = field(default_factory=dict)
    listeners: dict[str, list[Callable[[Polled], None]]] = field(default_factory=dict)
    members: "dict[str, Consumer]" = field(default_factory=dict)
    generation: int = 0
    is_closed: bool = False
    hinted: Callable[[TopicPartition, int], None] = lambda *_: None

    def partition(self, topic: str, key: bytes) -> int:  # noqa: ARG002  the port's form
        """The partition of a key, alike on every topic."""
        hashed: int = murmur2(key)
        return (hashed & 0x7FFFFFFF) % PARTITIONS

    def log(self, topic: str, partition: int) -> list[Polled]:
        return self.logs[topic, partition]

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: RawHeaders) -> None:
        if self.is_closed:
            return
        log = self.log(topic, partition)
        now = EPOCH_MS + int(asyncio.get_running_loop().time() * 1000)
        record = Polled(topic, partition, len(log), now, key, value, headers)
        log.append(record)
        for listener in self.listeners.get(topic, ()):
            Context().run(listener, record)  # what it does later outlives the life that has sent the record

    @property
    def records(self) -> int:
        """How many there are on all topics."""
        return sum(map(len, self.logs.values()))

    # --- the group

    def join(self, consumer: "Consumer") -> None:
        """Let a member in; one that comes again takes its own place."""
        self.members[consumer.name] = consumer
        self.generation += 1

    def rebalance(self) -> None:
        """Reassign all partitions to the live members."""
        now = asyncio.get_running_loop().time()
        silent = [name for name, member in self.members.items() if now - member.heard_at > SESSION_TIMEOUT]
        for name in silent:
            del self.members[name]
        self.generation += 1

    def assigned(self, consumer: "Consumer") -> set[TopicPartition]:
        """The partitions of a member, in this generation."""
        if self.members.get(consumer.name) is not consumer:
            return set()
        names = sorted(self.members)
        turn = self.generation % len(names)
        mine = names.index(consumer.name)
        everything = [TopicPartition(topic, number) for topic in consumer.topics for number in range(PARTITIONS)]
        return {at for number, at in enumerate(everything) if (number + turn) % len(names) == mine}


class Publisher(Posting):
    """`saga_coordinator.handlers.ports.Publisher` on the simulated broker."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self.partition = broker.partition

    async def start(self) -> None:
        await asyncio.sleep(0)
        if self._broker.weather.is_down:
            raise KafkaConnectionError

    def max_message_bytes(self, topic: str) -> int:  # noqa: ARG002  the port's form
        return MAX_MESSAGE_BYTES

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        weather, chance = self._broker.weather, self._broker.chance
        await asyncio.sleep(chance.random() * 0.01)
        if weather.is_down or chance.random() < weather.loses_send:
            await asyncio.sleep(chance.random() * 2)
            raise KafkaConnectionError
        if chance.random() < weather.delays_send:
            late = chance.random() * 3  # it is on its way: it arrives though the life that has sent it may end
            loop = asyncio.get_running_loop()
            loop.call_later(late, self._write, topic, partition, list(rows), context=Context())
            await asyncio.sleep(chance.random() * 2)
            raise TimeoutError("no acknowledgement in time")
        self._write(topic, partition, rows)
        await asyncio.sleep(0)
        if chance.random() < weather.loses_ack:
            raise KafkaConnectionError

    def _write(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        for row in rows:
            self._broker.append(topic, partition, row.key, row.value, row.headers)


class Consumer:
    """What the feed uses of `AIOKafkaConsumer`, and what the guard asks it for."""

    broker: ClassVar[Broker]

    def __init__(self, *, group_instance_id: str, **_: Any) -> None:  # noqa: ANN401  the library's own form
        self.name = group_instance_id
        self.life: Life = current_life()
        self.topics: list[str] = []
        self.heard_at = self._answered_at = 0.0
        self._listener: Any = None
        self._generation = -1
        self._assigned: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    def subscribe(self, *, topics: Sequence[str], listener: object) -> None:
        """Subscribe to topics; a member that subscribes again rejoins."""
        self.topics, self._listener = sorted(topics), listener
        self.broker.join(self)

    def partitions_for_topic(self, topic: str) -> set[int]:  # noqa: ARG002  the library's own form
        return set(range(PARTITIONS))

    async def start(self) -> None:
        await self._ask()

    async def stop(self) -> None:
        await asyncio.sleep(0)
        if self.broker.members.get(self.name) is self:
            del self.broker.members[self.name]
            self.broker.rebalance()

    def assignment(self) -> set[TopicPartition]:
        return set(self._assigned)

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._positions[at] = offset

    def pause(self, at: TopicPartition) -> None:
        self._paused.add(at)

    def resume(self, at: TopicPartition) -> None:
        self._paused.discard(at)

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def last_poll_timestamp(self, at: TopicPartition) -> int:  # noqa: ARG002  the library's own form
        return int(self._answered_at * 1000)

    async def position(self, at: TopicPartition) -> int:
        await asyncio.sleep(0)
        return self._positions[at]

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        await self._ask()
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        await self._ask()
        return {at: len(self.broker.log(*at)) for at in places}

    def highwater(self, at: TopicPartition) -> int:
        return len(self.broker.log(*at))

    def last_stable_offset(self, at: TopicPartition) -> int:
        return self.highwater(at)

    async def commit(self, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
        await self._ask()
        if self._generation != self.broker.generation:
            self._follow()  # the library joins again beside the call
            raise KafkaConnectionError
        for at, (offset, _) in offsets.items():
            self.broker.hinted(at, offset)
            self.broker.hints[at] = offset

    async def read_state(self, topics: Sequence[str]) -> KafkaState:
        """What the guard asks Kafka for."""
        await self._ask()
        committed = {at: CommittedOffset(offset, DATABASE_ID) for at, offset in self.broker.hints.items()}
        return KafkaState(await self.describe_topics(topics), committed)

    async def describe_topics(self, topics: Sequence[str]) -> ClusterDescription:
        await asyncio.sleep(0)
        return ClusterDescription(CLUSTER_ID, {each: TopicDescription(None, range(PARTITIONS)) for each in topics})

    async def getmany(self, *places: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, Any]:  # noqa: ARG002  the library's own form
        """Bring what is there, after following the group."""
        await asyncio.sleep(0)
        self.heard_at = asyncio.get_running_loop().time()
        if self.broker.weather.is_down:
            await asyncio.sleep(timeout_ms / 1000)
            return {}
        self._answered_at = self.heard_at
        self._follow()
        polled = self._polled(max_records)
        if not polled:
            await asyncio.sleep(timeout_ms / 1000 * (0.2 + 0.8 * self.broker.chance.random()))
            polled = self._polled(max_records)
        return polled

    def _follow(self) -> None:
        """Learn of a new generation, as the library does, in the middle of a poll."""
        if self.broker.members.get(self.name) is not self:
            self.broker.join(self)
        if self._generation != self.broker.generation:
            self._listener.on_partitions_revoked(self._assigned)
            self._generation = self.broker.generation
            self._assigned = self.broker.assigned(self)
            self._positions = {at: self.broker.hints[at] for at in self._assigned if at in self.broker.hints}
            self._paused.clear()
            self._listener.on_partitions_assigned(self._assigned)

    def _polled(self, most: int) -> dict[TopicPartition, list[Polled]]:
        found: dict[TopicPartition, list[Polled]] = {}
        for at in sorted(self._assigned - self._paused):
            if at not in self._positions:
                raise NoOffsetForPartitionError(at)
            log, begin = self.broker.log(*at), self._positions[at]
            if begin < len(log):
                end = min(len(log), begin + 1 + below(self.broker.chance, most))
                found[at] = log[begin:end]
                self._positions[at] = end
        return found

    async def _ask(self) -> None:
        """Ask the broker, which may be down."""
        await asyncio.sleep(0)
        if self.broker.weather.is_down:
            await asyncio.sleep(1)
            raise KafkaConnectionError
