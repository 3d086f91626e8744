"""The consumer on aiokafka: follows the group's assignment and passes the intake the records that it may process.

A partition's records are processed only after its lease was acquired and the consumer was moved to the database's
offset: Kafka's committed offsets only serve lag tools. After any failure all leases are acquired again.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from random import Random

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, TopicAuthorizationFailedError

from saga_coordinator.handlers.backoff import Backoff
from saga_coordinator.handlers.bootstrap import Handlers
from saga_coordinator.handlers.ports import LeaseStore, Observer
from saga_coordinator.handlers.records import Lease, Record
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.health import KAFKA, STORE, Health
from saga_coordinator.service.kafka import group_member
from saga_coordinator.service.kafka.aiokafka_internals import (
    UNDECODABLE,
    MetadataAge,
    Undecodable,
    consumer_error,
    stop_consumer,
    undecodable,
)
from saga_coordinator.service.kafka.connection import Credentials
from saga_coordinator.service.kafka.errors import describe_failure, describe_refusal
from saga_coordinator.service.kafka.guard import Guard, Stop, committed_as
from saga_coordinator.service.kafka.monitor import BrokerMonitor
from saga_coordinator.service.kafka.partitions import Assignment, Partitions
from saga_coordinator.service.settings import Settings

POLL_MS = 200
POLL_TIMEOUT = 1.0
COMMIT_INTERVAL = 1.0
LAST_COMMIT_TIMEOUT = 2.0
MONITOR_INTERVAL = 2.0
LEASE_CHECK_INTERVAL = 2.0


class KafkaConsumer:
    """Polls until it is stopped; one batch is processed at a time."""

    def __init__(
        self,
        *,
        settings: Settings,
        topics: Collection[str],
        owner: str,
        handlers: Handlers,
        store: LeaseStore,
        health: Health,
        observer: Observer,
        is_recovering: bool = False,
    ) -> None:
        self._settings = settings
        self._kafka = settings.kafka
        self._topics = topics
        self._owner = owner
        self._handlers = handlers
        self._leases = handlers.leases
        self._store = store
        self._health = health
        self._observer = observer
        self._consumer: AIOKafkaConsumer | None = None
        self._assignment = Assignment()
        self._partitions = Partitions(Random(owner))  # noqa: S311  it only spreads delays
        self._monitor = BrokerMonitor(
            topics=topics,
            settings=settings.kafka,
            partitions=self._partitions,
            leases=handlers.leases,
            health=health,
            observer=observer,
            on_recreated=self.acquire_again,
        )
        self._guard = Guard(settings, topics, store, is_recovering=is_recovering)
        self._undecodable: Undecodable | None = None
        self._credentials: Credentials
        self._metadata_age: MetadataAge
        self._leases_checked_at = -LEASE_CHECK_INTERVAL
        self._committed: dict[TopicPartition, int] = {}
        self._reported_stops: dict[TopicPartition, str] = {}
        self.caught_up = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set. Errors of Kafka and of the store are reported, and retried after a delay."""
        backoff = Backoff()
        try:
            while not stop.is_set():
                try:
                    await self._poll_once()
                    backoff.reset()
                except Exception as error:  # noqa: BLE001  nothing is lost: everything is read again from the database
                    self._observer.on_error("the consumer starts again", error)
                    if self._health.holds(STORE):  # else the store has failed, and has reported it
                        self._health.failing(KAFKA, await describe_failure(self._kafka, error))
                    await self._reset(error)
                    await _wait(stop, backoff.next())
            await self._commit_last()
        finally:
            await self._leave()

    async def commit_offsets(self) -> None:
        """Commit the leases' offsets to Kafka at intervals and at the end, for lag tools and for the guard.

        Nothing waits for it: what was not committed is less that a lost database is recognised by.
        """
        database_id = (await self._store.identity()).id
        while True:
            await asyncio.sleep(COMMIT_INTERVAL)
            if not self._assignment.is_fresh():
                await self._commit(database_id, self._kafka.request_timeout)

    async def _commit_last(self) -> None:
        """Commit what the last seconds have brought, if Kafka allows it soon, before the group is left."""
        if self._assignment.is_settled():
            await self._commit((await self._store.identity()).id, min(LAST_COMMIT_TIMEOUT, self._kafka.request_timeout))

    async def _commit(self, database_id: str, seconds: float) -> None:
        """Commit the leases' offsets if they have changed, not in a recovery: they show that the database went back."""
        offsets = {TopicPartition(*each): offset for each, offset in self._leases.offsets()}
        if self._consumer is None or offsets in ({}, self._committed) or self._guard.is_recovering:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._consumer.commit(committed_as(database_id, offsets))
            self._committed = offsets
        except (KafkaError, TimeoutError, ValueError) as error:
            self._observer.on_error("offsets were not committed to Kafka", error)

    async def watch(self) -> None:
        """Check at intervals whether the broker answers, and how far each partition lags."""
        while True:
            await asyncio.sleep(MONITOR_INTERVAL)
            if self._consumer is not None:
                await self._monitor.check(self._consumer)

    @property
    def stopped(self) -> Mapping[tuple[str, int], str]:
        """Return the partitions from which nothing is read before a person has acted, and why."""
        return self._partitions.stopped_because()

    @property
    def lag(self) -> Mapping[tuple[str, int], int]:
        """Return how many records of each partition were not processed when the broker was last asked."""
        return self._monitor.lag

    def acquire_again(self) -> None:
        """Acquire all leases again before the next poll: something that they depend on has changed."""
        self._assignment.note_change()

    async def _poll_once(self) -> None:
        """Follow the assignment, poll once, and process the records."""
        consumer = await self._connect()
        if self._assignment.pop_change():
            self._leases.clear()
            self._partitions.clear()
        await self._acquire_leases(consumer)
        await self._check_leases(consumer)
        if self._handlers.relay.exceeds(self._settings.outbox_limit, self._settings.outbox_bytes):
            await asyncio.sleep(POLL_MS / 1000)
            return
        await self._handlers.intake.receive(await self._poll(consumer))
        if not self.caught_up.is_set():
            await self._catch_up(consumer)

    async def _poll(self, consumer: AIOKafkaConsumer) -> Sequence[Record]:
        """Poll once. Before a record that cannot be decoded, poll its partition one by one, and stop it there."""
        if self._undecodable is not None and await self._has_reached(consumer, self._undecodable):
            self._undecodable = None
        one = () if self._undecodable is None else (self._undecodable.at,)
        try:
            async with asyncio.timeout(POLL_TIMEOUT):
                polled = await consumer.getmany(*one, timeout_ms=POLL_MS, max_records=1 if one else self._kafka.batch)
        except UNDECODABLE as error:
            self._undecodable = undecodable(error)
            self._leases.clear()  # what was polled with it is lost: all partitions are read again from the database
            return ()
        except TopicAuthorizationFailedError as error:
            return self._postpone_refused(consumer, error)
        except TimeoutError:
            self._assignment.check_settled(self._kafka.group, self._kafka.request_timeout)
            return ()
        except NoOffsetForPartitionError:
            return ()  # it was assigned during the poll, and has no position before its lease is acquired
        if not polled:
            self._partitions.note_empty_poll(consumer, time.monotonic())
        return [group_member.to_record(each) for some in polled.values() for each in some]

    async def _has_reached(self, consumer: AIOKafkaConsumer, record: Undecodable) -> bool:
        """Stop a partition whose next record cannot be decoded, so that the others continue.

        Return False while records are before it.
        """
        at, offset, reason = record
        if at not in consumer.assignment() or (at.topic, at.partition) not in self._leases.owned():
            return True
        if await consumer.position(at) < offset:
            return False
        behind = f"`saga positions set {at.topic}/{at.partition} {offset + 1} --reason WHY`"
        remedy = f"copy it with another client, then read on behind it, by {behind}"
        problem = f"{at.topic}:{at.partition}:{offset} cannot be decoded: {reason}"
        self._stop(consumer, at, Stop(problem, remedy), offset)
        self._monitor.report(consumer)
        return True

    async def _catch_up(self, consumer: AIOKafkaConsumer) -> None:
        """Set `caught_up` when the backlog is processed: it may answer commands that timers would send again."""
        if not self._assignment.is_applied():
            return  # what this poll assigned has no position yet that could be awaited
        assigned = consumer.assignment()
        for at, end in self._partitions.backlog():
            if at not in assigned or await consumer.position(at) >= end:
                self._partitions[at].backlog_end = None
        known = {TopicPartition(*each) for each in self._leases.owned()} | self._partitions.unreadable()
        if assigned and assigned <= known and not self._partitions.backlog():
            self._guard.is_recovering = False
            self.caught_up.set()

    async def _check_leases(self, consumer: AIOKafkaConsumer) -> None:
        """Compare the leases with the database at intervals: where no record arrives no transaction would notice."""
        if time.monotonic() - self._leases_checked_at < LEASE_CHECK_INTERVAL:
            return
        self._leases_checked_at = time.monotonic()
        leases = await self._store.leases()
        if self._store.is_shared:
            self._leases.reconcile(leases)
        if not self._assignment.is_fresh():
            acquired = {(lease.topic, lease.partition) for lease in leases if lease.epoch or self._store.is_shared}
            self._rejoin_for_unread(consumer, acquired | self._partitions.stopped())

    def _rejoin_for_unread(self, consumer: AIOKafkaConsumer, leased: Collection[tuple[str, int]]) -> None:
        """Join the group again when a topic or a partition is new: what was never leased is assigned to nobody.

        A static member that returns keeps its assignment, and if it leads, it does not learn so: nobody would assign.
        """
        existing = {(topic, each) for topic in self._topics for each in consumer.partitions_for_topic(topic) or ()}
        if unread := sorted(existing.difference(leased)):
            names = ", ".join(f"{topic}:{partition}" for topic, partition in unread)
            problem = LookupError(f"{names}: nobody reads these partitions, which were added to their topics")
            self._observer.on_error("the group is joined again", problem)
            consumer.subscribe(topics=list(self._topics), listener=self._assignment)

    async def _acquire_leases(self, consumer: AIOKafkaConsumer) -> None:
        """Acquire the lease of every assigned partition, and seek to where the database says."""
        now = time.monotonic()
        for each in self._leases.taken_over():
            self._partitions.delay(TopicPartition(*each), now)
        owned = {TopicPartition(*each) for each in self._leases.owned()}
        missing = consumer.assignment() - owned - self._partitions.not_to_acquire(now)
        if missing and self._assignment.is_settled():
            logs = await self._log_ranges(consumer, missing)
            for lease in await self._admitted(consumer, logs):
                self._seek(consumer, lease, logs[TopicPartition(lease.topic, lease.partition)])
            await self._handlers.relay.load()  # at once: rows written for these homes now have older ones before them
            self._monitor.report(consumer)

    async def _admitted(self, consumer: AIOKafkaConsumer, logs: group_member.LogRanges) -> Sequence[Lease]:
        """Acquire the leases of the partitions that the guard lets this database read; stop the others."""
        state = await self._guard.admit(consumer)
        acquired = []
        for at, start in (await self._guard.starts(state, logs)).items():
            if isinstance(start, Stop):
                consumer.seek(at, logs[at][0])
                self._stop(consumer, at, start, logs[at][0])
            else:
                topic_id = state.topic_id(at.topic)
                acquired.append(
                    await self._store.acquire(at.topic, at.partition, self._owner, start=start, topic_id=topic_id)
                )
        await self._guard.claim(consumer, state, acquired)
        return acquired

    async def _log_ranges(
        self, consumer: AIOKafkaConsumer, missing: Collection[TopicPartition]
    ) -> group_member.LogRanges:
        """Return where logs begin and end. A partition without a leader does not answer, and delays no other."""
        timeout = POLL_TIMEOUT if self._leases.owned() else self._kafka.request_timeout
        logs, failed = await group_member.log_ranges(consumer, missing, timeout)
        for at, error in failed.items():
            is_refused = isinstance(error, KafkaError) and not error.retriable
            if is_refused or not (logs or self._leases.owned()):
                raise error
            self._postpone(consumer, at, "does not report where its log ends: has it a leader?", error)
        return logs

    def _postpone_refused(self, consumer: AIOKafkaConsumer, error: TopicAuthorizationFailedError) -> Sequence[Record]:
        """Acquire the partitions of a topic later that may not be read, so that the other topics continue."""
        refused = [at for at in consumer.assignment() if at.topic in error.args]
        if not refused:
            raise error
        for at in refused:
            self._postpone(consumer, at, f"cannot be read: {describe_refusal(self._kafka, error)}", error)
        self._leases.clear()  # what was polled with it is lost: all others are read again from the database
        self._monitor.report(consumer)
        return ()

    def _postpone(self, consumer: AIOKafkaConsumer, at: TopicPartition, problem: str, error: Exception) -> None:
        """Acquire a partition later; until then nothing is read from it."""
        self._partitions.delay(at, time.monotonic())
        self._partitions[at].problem = f"{at.topic}:{at.partition} {problem}"
        self._observer.on_error(f"{at.topic}:{at.partition} cannot be acquired yet", error)
        consumer.seek(at, 0)
        consumer.pause(at)

    def _seek(self, consumer: AIOKafkaConsumer, lease: Lease, log: tuple[int, int]) -> None:
        """Read a partition from the database's offset on."""
        at = TopicPartition(lease.topic, lease.partition)
        consumer.seek(at, lease.next_offset)
        state = self._partitions[at]
        state.problem = None
        self._reported_stops.pop(at, None)
        if at in consumer.paused():
            consumer.resume(at)
        self._leases.add(lease)
        _, state.backlog_end = log

    def _stop(self, consumer: AIOKafkaConsumer, at: TopicPartition, why: Stop, offset: int) -> None:
        """Read nothing from an offset of a partition on, until the next rebalance, and let readiness report why."""
        consumer.pause(at)
        self._leases.drop(at.topic, at.partition)
        reason = f"{why.problem}: {why.remedy}"
        self._partitions.stop(at, reason, offset)
        if self._reported_stops.get(at) != reason:
            self._reported_stops[at] = reason
            self._observer.on_stopped(at, reason)

    async def _connect(self) -> AIOKafkaConsumer:
        """Return the consumer; one that lost a task, or whose brokers do not answer, is replaced."""
        if self._consumer is not None and (error := consumer_error(self._consumer) or self._metadata_age.check()):
            self._observer.on_error("the consumer is replaced", error)
            self._leases.clear()
            await self._leave()
        if self._consumer is None:
            retired = {lease.topic for lease in await self._store.leases()} - set(self._topics)
            name = group_member.member_name(self._owner, retired)
            self._assignment = Assignment()
            self._partitions.clear()
            self._consumer = await group_member.join(
                self._kafka, self._topics, name, self._assignment, self._guard.admit
            )
            self._credentials = Credentials(self._kafka, self._consumer)
            self._metadata_age = MetadataAge(self._consumer)
        self._credentials.renew(is_failing=not self._health.holds(KAFKA))
        return self._consumer

    async def _reset(self, error: Exception) -> None:
        """Forget everything that may be wrong: leases and instances are read again; the consumer seeks or is replaced.

        A consumer whose heartbeat or coordination met an error that is not retriable raises it at every poll, and
        never returns to its group. A database that must read nothing takes no partition away from others.
        """
        self._leases.clear()
        self._handlers.instance_cache.clear()
        is_fatal = isinstance(error, KafkaError) and not error.retriable
        if is_fatal or isinstance(error, NotReady):
            await self._leave()

    async def _leave(self) -> None:
        """Leave the group, if the broker allows it."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None and (error := await stop_consumer(consumer)):
            self._observer.on_error("the consumer did not stop and was taken apart", error)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
