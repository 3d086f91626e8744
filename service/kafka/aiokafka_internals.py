"""All private parts of aiokafka that this service uses. `test_aiokafka_internals` fails when an upgrade changes one.

A client of aiokafka runs tasks that end unnoticed by any exception that aiokafka does not expect: without the one that
refreshes the metadata every request waits, without the one that fetches no record arrives. So the tasks are inspected,
and a client that lost one is replaced. A client also waits for its broker before it stops: here it stops in seconds.
"""

# ruff: noqa: SLF001  there is no public way to any of it

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import (
    CorruptRecordException,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    ProducerClosed,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import OffsetAndMetadata

from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.kafka.protocol import GroupRightsRequest, TopicDetailsRequest, operations_of

STOP_TIMEOUT = 3.0
CLOSE_TIMEOUT = 1.0
STALE_AFTER = 20.0

Task = asyncio.Future[Any]


# --- connections


def expect_closed_connections() -> None:
    """Let every connection treat a write after the broker closed it as a broken connection.

    asyncio drops such a write, uvloop raises `RuntimeError`, and aiokafka expects `OSError`: one restart of a broker in
    ten ended the metadata task (aio-libs/aiokafka#1038). uvloop saves a sixth of the service's CPU (decision 27).
    """
    write = AIOKafkaConnection.send
    if hasattr(write, "__wrapped__"):
        return

    @wraps(write)
    def send(self: AIOKafkaConnection, *request: Any, **options: Any) -> Any:  # noqa: ANN401  aiokafka carries no types
        try:
            return write(self, *request, **options)
        except RuntimeError as error:
            if isinstance(error, KafkaError):
                raise
            self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error

    AIOKafkaConnection.send = send


def renew_credentials(client: AIOKafkaConsumer | AIOKafkaProducer, options: Mapping[str, Any]) -> None:
    """Let a client open its next connections with these credentials; those that are open stay."""
    inner = client._client if isinstance(client, AIOKafkaConsumer) else client.client
    inner._ssl_context = options["ssl_context"]
    inner._sasl_plain_password = options["sasl_plain_password"]


class MetadataAge:
    """Since when no broker that a client knows has answered it: they may all have new addresses by now.

    A client asks every few seconds, but only the brokers that it knows, and never again the bootstrap servers.
    """

    def __init__(self, client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
        inner = client._client if isinstance(client, AIOKafkaConsumer) else client.client
        self._cluster = inner.cluster
        self._answered = -1
        self._since = time.monotonic()

    def check(self) -> TimeoutError | None:
        """Return an error if the client has to be replaced by one that starts from the bootstrap servers."""
        answered, now = self._cluster._last_successful_refresh_ms, time.monotonic()
        if answered != self._answered:
            self._answered, self._since = answered, now
        if now - self._since < STALE_AFTER:
            return None
        return TimeoutError(f"no broker that it knows has answered for {now - self._since:.0f} s")


# --- records


UNDECODABLE = (CorruptRecordException, RecordTooLargeError)


class Undecodable(NamedTuple):
    """A record that this client cannot decode: its batch is corrupt, or its compression codec is not installed."""

    at: TopicPartition
    offset: int
    reason: str


def undecodable(error: Exception) -> Undecodable:
    """Return which record is meant by an error of the `UNDECODABLE`."""
    if isinstance(error, RecordTooLargeError):
        _, at, offset, _ = error.args
        return Undecodable(at, offset, "its batch is longer than what was delivered")
    return Undecodable(*error.args)


def name_undecodable_records() -> None:
    """Let every consumer raise an error that names the record that it cannot decode.

    aiokafka raises whatever the decoder raises (an error of a codec, of a checksum, of UTF-8), at each poll, and does
    not say of which partition.
    """
    decode = PartitionRecords.__next__
    if hasattr(decode, "__wrapped__"):
        return

    @wraps(decode)
    def named(self: PartitionRecords) -> Any:  # noqa: ANN401  aiokafka carries no types
        try:
            return decode(self)
        except StopIteration:
            raise
        except Exception as error:
            reason = f"{type(error).__name__} {error}"
            raise CorruptRecordException(self._tp, self.next_fetch_offset, reason) from error

    PartitionRecords.__next__ = named


async def topic_errors(admin: AIOKafkaAdminClient, names: Collection[str]) -> Mapping[str, int]:
    """Return the error code of each topic, 0 if there is none. The public method may create the topics."""
    request = MetadataRequest(sorted(names), allow_auto_topic_creation=False)
    response = (await admin._send_request(request)).to_object()
    return {each["topic"]: each["error_code"] for each in response["topics"]}


# --- what this client is allowed to do


async def allowed_on_topics(admin: AIOKafkaAdminClient, names: Collection[str]) -> Mapping[str, Collection[str]]:
    """Return the operations that this client may do on each topic; without a topic that the broker does not report.

    A broker without an authorizer reports all of them; one before Kafka 2.8 is not asked. No topic is created.
    """
    try:
        response = await admin._send_request(TopicDetailsRequest(names, operations=True))
    except NotImplementedError:  # aiokafka's word for a version that the broker does not have
        return {}
    denied = TopicAuthorizationFailedError.errno
    allowed = {
        each["topic"]: _NOTHING if each["error_code"] == denied else operations_of(each["topic_authorized_operations"])
        for each in response.to_object()["topics"]
        if each["error_code"] in {0, denied}
    }
    return {name: operations for name, operations in allowed.items() if operations is not None}


async def allowed_on_group(admin: AIOKafkaAdminClient, group: str) -> Collection[str] | None:
    """Return the operations that this client may do on a group, None if the broker does not report them."""
    try:
        node = await admin.find_coordinator(group)
        [found] = (await admin._send_request(GroupRightsRequest(group), node)).to_object()["groups"]
    except GroupAuthorizationFailedError:
        return _NOTHING
    except (IncompatibleBrokerVersion, NotImplementedError, KafkaError):
        return None
    denied = found["error_code"] == GroupAuthorizationFailedError.errno
    return _NOTHING if denied else operations_of(found["authorized_operations"])


_NOTHING: Collection[str] = frozenset()


# --- the ids of the cluster and of its topics


class TopicDescription(NamedTuple):
    """A topic that exists: its id as Kafka's tools print it, None if the broker gives none, and its partitions."""

    id: str | None
    partitions: Collection[int]


class ClusterDescription(NamedTuple):
    """The id of a cluster, None if the broker gives none, and those of some topics that exist."""

    id: str | None
    topics: Mapping[str, TopicDescription]


async def describe_topics(consumer: AIOKafkaConsumer, names: Collection[str]) -> ClusterDescription:
    """Return the ids of the cluster and of its topics; Kafka has ids of topics since 2.8. No topic is created."""
    client = consumer._client
    node = client.get_random_node()
    try:
        response = await client.send(node, TopicDetailsRequest(names))
    except NotImplementedError:  # aiokafka's word for a version that the broker does not have
        response = await client.send(node, MetadataRequest(sorted(names), allow_auto_topic_creation=False))
    described = response.to_object()
    topics = {
        each["topic"]: TopicDescription(each.get("topic_id"), sorted(at["partition"] for at in each["partitions"]))
        for each in described["topics"]
        if not each["error_code"]
    }
    return ClusterDescription(described.get("cluster_id"), topics)


async def committed_offsets(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """Return what the consumer's group has committed, with its metadata. The consumer need not be a member."""
    committed: Mapping[TopicPartition, OffsetAndMetadata] = await consumer._coordinator.fetch_committed_offsets(
        sorted(partitions)
    )
    return committed


async def wait_for_assignment(consumer: AIOKafkaConsumer) -> None:
    """Return when a consumer that was started without a subscription has joined the group."""
    await consumer._subscription.wait_for_assignment()


# --- batches


def fill_batch(rows: Sequence[OutboxMessage], max_bytes: int) -> tuple[BatchBuilder, int]:
    """Return a batch of the first rows, as many as it takes, and how many those are; one always fits."""
    batch = BatchBuilder(max_bytes, compression_type=0)
    for row in rows:
        if batch.append(timestamp=None, key=row.key, value=row.value, headers=list(row.headers)) is None:
            break
    return batch, batch.record_count()


def post_batch(producer: AIOKafkaProducer, at: TopicPartition, batch: BatchBuilder) -> Task | None:
    """Let a producer send a batch with its next request, and return the future that its acknowledgement resolves.

    Return None if the batch has to wait, or cannot be sent: `send_batch` waits, and raises.
    """
    accumulator = producer._message_accumulator
    if accumulator._closed or accumulator._exception is not None or accumulator._batches.get(at):
        return None
    if producer.client.cluster.leader_for_partition(at) in {None, -1}:
        return None
    acknowledged: Task = accumulator._append_batch(batch, at).future
    return acknowledged


# --- tasks


def consumer_error(consumer: AIOKafkaConsumer) -> BaseException | None:
    """Return the error that ended one of a consumer's tasks, or None."""
    return task_error(consumer._client._sync_task, *_consumer_tasks(consumer))


def producer_error(producer: AIOKafkaProducer) -> BaseException | None:
    """Return the error that ended the task by which a producer refreshes its metadata, or None."""
    return task_error(producer.client._sync_task)


def task_error(*tasks: Task | None) -> BaseException | None:
    """Return the error of the first task that ended by one, or None. A cancelled task has none."""
    for task in tasks:
        if task is not None and task.done() and not task.cancelled() and (error := task.exception()):
            return error
    return None


def _consumer_tasks(consumer: AIOKafkaConsumer) -> Collection[Task]:
    """Return the tasks by which a consumer stays in its group and fetches."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    tasks: list[Task | None] = []
    if coordinator is not None:
        tasks += [coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task]
    if fetcher is not None:
        tasks.append(fetcher._fetch_task)
    return [task for task in tasks if task is not None]


# --- stopping


async def stop_consumer(consumer: AIOKafkaConsumer) -> Exception | None:
    """Stop a consumer within seconds, whatever state the broker is in; return why it did not stop, or None."""

    def remaining() -> Collection[Task]:
        fetches = () if consumer._fetcher is None else consumer._fetcher._pending_tasks
        return [*_consumer_tasks(consumer), *fetches]

    return await _stop(consumer.stop, remaining, lambda: consumer._client.close())  # noqa: PLW0108  a consumer that stops needs no client


async def stop_producer(producer: AIOKafkaProducer) -> Exception | None:
    """Stop a producer within seconds. What it has not sent by then fails at once and is not sent."""

    def remaining() -> Collection[Task]:
        producer._message_accumulator.fail_all(ProducerClosed())
        task = producer._sender.sender_task
        return [] if task is None else [task]

    return await _stop(producer.stop, remaining, producer.client.close)


async def _stop(
    stop: Callable[[], Coroutine[Any, Any, None]],
    remaining: Callable[[], Collection[Task]],
    close: Callable[[], Coroutine[Any, Any, None]],
) -> Exception | None:
    """Stop a client; if it does not stop, cancel its remaining tasks, close its connections, and return why.

    A client that keeps running sends on, and its heartbeats keep its place in the group.
    """
    problem = await _run(stop(), STOP_TIMEOUT)
    if problem is None:
        return None
    tasks = remaining()
    for task in tasks:
        task.cancel()
    await _run(close(), CLOSE_TIMEOUT)
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)
    for task in tasks:
        _outcome(task)
    return problem


async def _run(work: Coroutine[Any, Any, None], seconds: float) -> Exception | None:
    """Run a coroutine of aiokafka; return why it is not done, or None.

    It runs as a task of its own: aiokafka may cancel it (when a fetch has just failed, for instance), and the caller
    would take that for its own cancellation.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_TIMEOUT)
            return TimeoutError(f"not done within {seconds:.0f} s")
        return _outcome(task)
    finally:
        task.cancel()


def _outcome(task: Task) -> Exception | None:
    """Return why a task is not done, or None; this also marks its exception as retrieved."""
    if not task.done():
        return TimeoutError("not done yet")
    if task.cancelled():
        return RuntimeError("aiokafka cancelled it")
    error = task.exception()
    return error if error is None or isinstance(error, Exception) else RuntimeError(repr(error))
