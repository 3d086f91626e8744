"""The consumer on aiokafka: follows the group's assignment, and feeds the intake with what it may process.

A partition's records are processed only after its lease was taken and the consumer stands at the database's offset:
Kafka's committed offsets are a hint for lag tools. Whatever fails, the leases are taken again and the consumer seeks.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from random import Random

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, NoOffsetForPartitionError

from saga_coordinator.handlers.bootstrap import Handlers
from saga_coordinator.handlers.ports import Observer, Store
from saga_coordinator.handlers.records import Lease, Place, Record
from saga_coordinator.service.health import Health
from saga_coordinator.service.http import checks
from saga_coordinator.service.kafka import group_member as consumers
from saga_coordinator.service.kafka.errors import describe_refusal
from saga_coordinator.service.kafka.monitor import BrokerMonitor
from saga_coordinator.service.kafka.partitions import Assignment
from saga_coordinator.service.kafka.retakes import TakeoverBackoff
from saga_coordinator.service.settings import Settings

POLL_MS = 200
POLL_TIMEOUT = 1.0
INITIAL_BACKOFF = 0.2
MAX_BACKOFF = 5.0
COMMIT_INTERVAL = 1.0
MONITOR_INTERVAL = 2.0
LEASE_CHECK_INTERVAL = 2.0
UNDECODABLE = (CorruptRecordException, UnicodeDecodeError)


class KafkaConsumer:
    """Polls until it is told to stop; one batch is taken in at a time."""

    def __init__(
        self,
        *,
        settings: Settings,
        topics: Collection[str],
        owner: str,
        handlers: Handlers,
        store: Store,
        health: Health,
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._owner = owner
        self._intake = handlers.intake
        self._leases = handlers.leases
        self._memory = handlers.instance_cache
        self._relay = handlers.relay
        self._store = store
        self._health = health
        self._observer = observer
        self._consumer: AIOKafkaConsumer | None = None
        self._assignment = Assignment()
        self._retakes = TakeoverBackoff(Random(owner))  # noqa: S311  it only spreads waits
        self._watch = BrokerMonitor(
            topics=topics,
            patience=settings.kafka.request_timeout,
            leases=handlers.leases,
            health=health,
            observer=observer,
        )
        self._one_by_one = False
        self._leases_checked_at = -LEASE_CHECK_INTERVAL
        self._stopped: dict[TopicPartition, str] = {}
        self._silent: dict[TopicPartition, str] = {}
        self._backlog: dict[TopicPartition, int] = {}
        self.caught_up = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """KafkaConsumer until `stop` is set. Errors of Kafka and of the store are told, waited out and tried again."""
        wait = INITIAL_BACKOFF
        try:
            while not stop.is_set():
                try:
                    await self._poll_once()
                    wait = INITIAL_BACKOFF
                except Exception as error:  # noqa: BLE001  nothing is lost by it: all is read again from the database
                    self._observer.on_error("the feed begins anew", error)
                    if self._health.holds(checks.STORE):  # else it is the store's trouble, and the store has told it
                        self._health.failing(checks.KAFKA, describe_refusal(self._settings.kafka, error))
                    await self._reset(error)
                    await _either(stop, wait)
                    wait = min(wait * 2, MAX_BACKOFF)
        finally:
            await self._leave()

    async def commit_offsets(self) -> None:
        """Tell Kafka now and then how far the leases are, for lag tools. It may fail: nothing depends on it."""
        told: dict[TopicPartition, int] = {}
        while True:
            await asyncio.sleep(COMMIT_INTERVAL)
            offsets = {TopicPartition(*each): offset for each, offset in self._leases.offsets()}
            if self._consumer is None or offsets == told or self._assignment.is_fresh():
                continue
            try:
                async with asyncio.timeout(self._settings.kafka.request_timeout):
                    await self._consumer.commit(offsets)
                told = offsets
            except (KafkaError, TimeoutError, ValueError) as error:
                self._observer.on_error("offsets were not told to Kafka", error)

    async def watch(self) -> None:
        """Look now and then whether the broker lets us read."""
        while True:
            await asyncio.sleep(MONITOR_INTERVAL)
            if self._consumer is not None:
                await self._watch.look(self._consumer, self._stopped | self._silent)

    @property
    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return how many records of each partition were still to come when the broker was last asked."""
        return self._watch.lag

    async def _poll_once(self) -> None:
        """Follow the assignment, poll once, and take in what came."""
        consumer = await self._connected()
        if self._assignment.has_changed():
            self._leases.clear()
            self._stopped.clear()
            self._silent.clear()
            self._retakes.clear()
            self._watch.fetching.clear()
        await self._acquire_leases(consumer)
        await self._check_leases(consumer)
        if self._relay.pending > self._settings.outbox_limit:
            await asyncio.sleep(POLL_MS / 1000)
            return
        await self._intake.take(await self._polled(consumer))
        if not self.caught_up.is_set():
            await self._catch_up(consumer)

    async def _polled(self, consumer: AIOKafkaConsumer) -> Sequence[Record]:
        """Poll once. After a record that cannot be decoded go on one by one up to it, and stop its partition there."""
        most = 1 if self._one_by_one else self._settings.kafka.batch
        try:
            async with asyncio.timeout(POLL_TIMEOUT):
                polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=most)
        except TimeoutError:
            self._assignment.check_settled(self._settings.kafka.group, self._settings.kafka.request_timeout)
            return ()
        except NoOffsetForPartitionError:
            return ()  # it was assigned during the poll, and stands nowhere before its lease is taken
        except UNDECODABLE:
            if self._one_by_one:
                await self._stop_undecodable(consumer)
            self._one_by_one = not self._one_by_one
            raise
        if not polled:
            self._watch.fetching.note_empty_poll(consumer, time.monotonic())
        self._one_by_one = self._one_by_one and bool(polled)
        return [consumers.record(each) for some in polled.values() for each in some]

    async def _stop_undecodable(self, consumer: AIOKafkaConsumer) -> None:
        """Stop the partitions whose next record cannot be decoded, so that the others go on."""
        for at in consumer.assignment() - self._stopped.keys():
            try:
                async with asyncio.timeout(POLL_TIMEOUT):
                    await consumer.getmany(at, timeout_ms=POLL_MS, max_records=1)
            except UNDECODABLE as error:
                place = Place(at.topic, at.partition, await consumer.position(at))
                remedy = "copy it with another client, then set next_offset in the table lease behind it by hand"
                self._stop(consumer, at, f"{place} cannot be decoded: {error}", remedy)

    async def _catch_up(self, consumer: AIOKafkaConsumer) -> None:
        """Note when everything is taken in that was there at the start: an answer may lie there that no alarm knows."""
        if not self._assignment.is_applied():
            return  # what was assigned by this poll stands nowhere yet, and has no position that could be awaited
        assigned = consumer.assignment()
        known = {TopicPartition(*each) for each in self._leases.owned()} | self._stopped.keys() | self._silent.keys()
        for at, end in tuple(self._backlog.items()):
            if at not in assigned or await consumer.position(at) >= end:
                del self._backlog[at]
        if assigned and assigned <= known and not self._backlog:
            self.caught_up.set()

    async def _check_leases(self, consumer: AIOKafkaConsumer) -> None:
        """Look now and then who has which lease: where no record comes no fence tells, and alarms ring all the same."""
        if time.monotonic() - self._leases_checked_at < LEASE_CHECK_INTERVAL:
            return
        self._leases_checked_at = time.monotonic()
        leases = await self._store.leases()
        if self._store.is_shared:
            self._leases.reconcile(leases)
        if not self._assignment.is_fresh():
            self._rejoin_for_unread(consumer, {(lease.topic, lease.partition) for lease in leases})

    def _rejoin_for_unread(self, consumer: AIOKafkaConsumer, taken: Collection[tuple[str, int]]) -> None:
        """Join the group anew when topics have come or grown: what nobody has ever taken, the group gave to nobody.

        Who comes back to its place in the group is given what it had, and is not told that it leads: nobody would look.
        """
        there = {(topic, each) for topic in self._topics for each in consumer.partitions_for_topic(topic) or ()}
        if unread := sorted(there.difference(taken)):
            names = ", ".join(f"{topic}:{partition}" for topic, partition in unread)
            self._observer.on_error(f"the group is joined anew: nobody reads {names}", LookupError("they are new"))
            consumer.subscribe(topics=list(self._topics), listener=self._assignment)

    async def _acquire_leases(self, consumer: AIOKafkaConsumer) -> None:
        """Take every partition that the group has given us, and stand where the database says."""
        now = time.monotonic()
        self._retakes.lost(self._leases.taken_over(), now)
        owned = {TopicPartition(*each) for each in self._leases.owned()}
        missing = consumer.assignment() - owned - self._stopped.keys() - self._retakes.waiting(now)
        if missing and self._assignment.is_settled():
            logs = await self._logs(consumer, missing)
            taken = {each: await self._store.take(each.topic, each.partition, self._owner) for each in sorted(logs)}
            for each, lease in taken.items():
                self._seek(consumer, each, lease, logs[each])
            await self._relay.load()  # at once: whatever is written for these homes now has older rows before it
            self._watch.report(consumer, self._stopped | self._silent)

    async def _logs(self, consumer: AIOKafkaConsumer, missing: Collection[TopicPartition]) -> consumers.Logs:
        """Return where logs begin and end. One without a leader answers nobody, and keeps us from no other."""
        within = POLL_TIMEOUT if self._leases.owned() else self._settings.kafka.request_timeout
        logs, silent = await consumers.log_ranges(consumer, missing, within)
        for at, error in silent.items():
            is_refused = isinstance(error, KafkaError) and not error.retriable
            if is_refused or not (logs or self._leases.owned()):
                raise error
            self._wait_for(consumer, at, error)
        return logs

    def _wait_for(self, consumer: AIOKafkaConsumer, at: TopicPartition, error: Exception) -> None:
        """Take a partition later that answers nobody; until then nothing is read of it, wherever it stands."""
        self._retakes.lost({(at.topic, at.partition)}, time.monotonic())
        self._silent[at] = f"{at.topic}:{at.partition} does not tell where its log ends: has it a leader?"
        self._observer.on_error(f"{at.topic}:{at.partition} cannot be taken yet", error)
        consumer.seek(at, 0)
        consumer.pause(at)

    def _seek(self, consumer: AIOKafkaConsumer, at: TopicPartition, lease: Lease, log: tuple[int, int]) -> None:
        """Seek to the database's offset; where the log does not reach it, stop that partition and never jump."""
        first, end = log
        offset = first if lease.next_offset is None else lease.next_offset
        consumer.seek(at, offset)
        if self._silent.pop(at, None):
            consumer.resume(at)
        if first <= offset <= end:
            self._leases.take(lease)
            self._backlog[at] = end
            return
        trouble = f"{at.topic}:{at.partition} is done up to {offset}, but its log reaches from {first} to {end}"
        remedy = "its records were trimmed or the topic was made anew; set next_offset in the table lease by hand"
        self._stop(consumer, at, trouble, remedy)

    def _stop(self, consumer: AIOKafkaConsumer, at: TopicPartition, trouble: str, remedy: str) -> None:
        """Take nothing more from a partition until the group is given out anew, and let readiness say why."""
        consumer.pause(at)
        self._leases.drop(at.topic, at.partition)
        self._backlog.pop(at, None)
        self._stopped[at] = f"{trouble}: {remedy}"
        self._observer.on_error(trouble, LookupError(remedy))

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is not None and (trouble := consumers.task_error(self._consumer)):
            self._observer.on_error("the consumer has lost a task of its own and is replaced", trouble)
            self._leases.clear()
            await self._leave()
        if self._consumer is None:
            retired = {lease.topic for lease in await self._store.leases()} - set(self._topics)
            name = consumers.member(self._owner, retired)
            self._assignment = Assignment()
            self._watch.fetching.clear()
            self._consumer = await consumers.join(self._settings.kafka, self._topics, name, self._assignment)
        return self._consumer

    async def _reset(self, error: Exception) -> None:
        """Forget all that may be wrong: leases and instances are read again, and the consumer seeks or is replaced.

        A consumer whose heartbeat or coordination has met an error that is not retriable tells it at every poll, for
        ever; it would never come back to its group.
        """
        self._leases.clear()
        self._memory.clear()
        if isinstance(error, KafkaError) and not error.retriable and not isinstance(error, UNDECODABLE):
            await self._leave()

    async def _leave(self) -> None:
        """Leave the group, if the broker lets us."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None and (trouble := await consumers.left(consumer)):
            self._observer.on_error("the consumer did not stop by itself and was taken apart", trouble)


async def _either(stop: asyncio.Event, seconds: float) -> None:
    """Wait for a while, or until told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
