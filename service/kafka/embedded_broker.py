"""A Kafka broker inside this process, for the demo and for fast tests: librdkafka's mock cluster.

The library comes with the confluent-kafka wheel, so nothing but Python is needed. The broker speaks Kafka's protocol on
a free port of the loopback address; clients of any library, in any process, can use it. It costs no CPU while idle and
passes on some 70,000 messages of 300 bytes a second.

As on a real Kafka: keys, headers (repeated and binary ones too) and timestamps, begin and end offsets, seeks, consumer
groups and commits, `acks=all` and idempotent producers, reading committed.

Not as on a real Kafka:

- Everything is in memory. A partition keeps its last 5 MB; a reader that is further behind gets OffsetOutOfRange.
- An empty fetch is held for the client's whole `fetch_max_wait_ms`, new records or not: set that low (20) or pay it as
  latency. A fetch brings one record batch of each partition.
- A group that has members takes its session timeout less 1 s to rebalance, and about twice the session timeout when a
  member was killed: set `session_timeout_ms` low (2000). `JoinGroup` must be allowed to take that long.
- Once the leader of a group has synced, the other members are refused. Two members on aiokafka therefore never settle,
  unless the one that joins later is the leader: the leader is the one with the least `group_instance_id`. One member a
  group, and two on confluent-kafka, are fine. Test rebalances of aiokafka on a real Kafka.
- A batch that a producer sends again, because its answer came too late, is written again, idempotent or not.
- A topic that a client asks for and that is not there is created with 4 partitions, unless the client forbids it.
- No admin requests (a topic is created with `create_topic`), no transaction markers, no offsets by time, no retention
  by time, no leader election, no TLS, no SASL. The timestamp in the answer to a producer is always 1234.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import TracebackType
from typing import Final, Self

from confluent_kafka import cimpl

from saga_coordinator.service.errors import BrokerError

DISCONNECT: Final = -195
"""Among the errors to push: close the connection instead of answering (librdkafka's RD_KAFKA_RESP_ERR__TRANSPORT)."""


class ApiKey(IntEnum):
    """The kind of request that is to fail (https://kafka.apache.org/protocol#protocol_api_keys)."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    API_VERSIONS = 18
    INIT_PRODUCER_ID = 22


class EmbeddedBroker:
    """One broker that lives as long as its `with` block, with `topics` as name to number of partitions.

    A test may want more `brokers` than one, numbered from 1, to let requests fail on one of them only.

    All methods return at once (leaving the block may take a second) and may be called from any thread. They raise
    BrokerError when the broker refuses or does not run.
    """

    def __init__(self, topics: Mapping[str, int] | None = None, *, brokers: int = 1) -> None:
        self._topics = dict(topics or {})
        self._brokers = brokers
        self._library = _library()
        self._client: int | None = None
        self._running_cluster: int | None = None

    def __enter__(self) -> Self:
        """Start to listen, and create the topics."""
        try:
            self._start()
        except BaseException:
            self._free()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all connections; free the broker's memory, threads and port."""
        self._free()

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, `127.0.0.1:<port>`, with commas; the same when the broker goes down and comes up."""
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create an empty topic with one partition or more; one that exists is refused."""
        if partitions < 1:
            raise BrokerError(f"the topic {name} needs at least one partition, not {partitions}")
        code = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        self._check(code, f"create the topic {name} with {partitions} partitions")

    def recreate_topic(self, name: str, partitions: int) -> None:
        """Delete a topic with its records and committed offsets, and create it again: its offsets begin at 0."""
        self._check(self._library.rd_kafka_mock_topic_delete(self._cluster, name.encode()), f"delete the topic {name}")
        self.create_topic(name, partitions)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Trim the log, as retention does: it then begins at the offset `before`."""
        code = self._library.rd_kafka_mock_partition_delete_records(self._cluster, topic.encode(), partition, before)
        self._check(code, f"delete the records of {topic}:{partition} before offset {before}")

    def set_down(self) -> None:
        """Close all connections and refuse new ones; records, groups and committed offsets are kept."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, _EVERY_BROKER), "go down")

    def set_up(self) -> None:
        """Accept connections again."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, _EVERY_BROKER), "come up")

    def set_rtt(self, ms: int) -> None:
        """Hold every answer back for so many milliseconds; 0 ends it."""
        self._check(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, _EVERY_BROKER, ms), "change its delay")

    def push_request_errors(self, api_key: ApiKey, errors: Sequence[int]) -> None:
        """Let the next requests of this kind fail, each with the next of these Kafka error codes (0 lets one pass)."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api_key, len(errors), codes)

    def clear_request_errors(self, api_key: ApiKey) -> None:
        """Forget the pushed errors of this kind that no request has met yet."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api_key)

    def push_broker_errors(self, broker: int, api_key: ApiKey, errors: Sequence[int], *, delay_ms: int = 0) -> None:
        """As `push_request_errors`, on one broker and ahead of those; each answer is held back for `delay_ms`."""
        for error in errors:
            code = self._library.rd_kafka_mock_broker_push_request_error_rtts(
                self._cluster, broker, api_key, 1, ctypes.c_int(error), ctypes.c_int(delay_ms)
            )
            self._check(code, f"let requests fail on broker {broker}")

    def unmet_errors(self, broker: int, api_key: ApiKey) -> int:
        """Count the errors pushed to one broker that no request has met yet."""
        unmet = ctypes.c_size_t()
        code = self._library.rd_kafka_mock_broker_error_stack_cnt(self._cluster, broker, api_key, ctypes.byref(unmet))
        self._check(code, f"count the errors of broker {broker}")
        return unmet.value

    def set_topic_error(self, topic: str, error: int) -> None:
        """Let the metadata report this error of a topic until 0 is set. Codes pushed to `METADATA` are not reported."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def set_leader(self, topic: str, partition: int, broker: int) -> None:
        """Let one of several brokers lead a partition."""
        code = self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, broker)
        self._check(code, f"let broker {broker} lead {topic}:{partition}")

    def set_coordinator(self, group: str, broker: int) -> None:
        """Let one of several brokers coordinate a consumer group."""
        code = self._library.rd_kafka_mock_coordinator_set(self._cluster, b"group", group.encode(), broker)
        self._check(code, f"let broker {broker} coordinate {group}")

    @property
    def _cluster(self) -> int:
        if self._running_cluster is None:
            raise BrokerError("the embedded broker runs only within `with EmbeddedBroker() as broker:`")
        return self._running_cluster

    def _start(self) -> None:
        self._client = _new_client(self._library)
        self._running_cluster = self._library.rd_kafka_mock_cluster_new(self._client, self._brokers)
        if self._running_cluster is None:
            raise BrokerError("librdkafka could not start its mock cluster; see its message on stderr")
        self._library.rd_kafka_mock_set_controller_id(self._cluster, 1)  # else an admin client waits until it times out
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        for name, partitions in self._topics.items():
            self.create_topic(name, partitions)

    def _free(self) -> None:
        cluster, self._running_cluster = self._running_cluster, None
        client, self._client = self._client, None
        if cluster is not None:
            self._library.rd_kafka_mock_cluster_destroy(cluster)
        if client is not None:
            self._library.rd_kafka_destroy(client)

    def _check(self, code: int, purpose: str) -> None:
        if code:
            reason: bytes = self._library.rd_kafka_err2str(code)
            raise BrokerError(f"the embedded broker cannot {purpose}: {reason.decode()} (code {code})")


_EVERY_BROKER: Final = -1
_PRODUCER: Final = 0  # RD_KAFKA_PRODUCER
_HANDLE: Final = ctypes.c_void_p
_CODES: Final = ctypes.POINTER(ctypes.c_int)
_SIZE: Final = ctypes.POINTER(ctypes.c_size_t)

# Result and parameters of each function that is used here, as declared in librdkafka's rdkafka.h and rdkafka_mock.h.
_FUNCTIONS: Final[Mapping[str, tuple[type | None, ...]]] = {
    "rd_kafka_conf_new": (_HANDLE,),
    "rd_kafka_conf_set": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    "rd_kafka_conf_destroy": (None, _HANDLE),
    "rd_kafka_new": (_HANDLE, ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_size_t),
    "rd_kafka_destroy": (None, _HANDLE),
    "rd_kafka_err2str": (ctypes.c_char_p, ctypes.c_int),
    "rd_kafka_mock_broker_error_stack_cnt": (ctypes.c_int, _HANDLE, ctypes.c_int32, ctypes.c_int16, _SIZE),
    # Of any number of parameters, of which these are the first:
    "rd_kafka_mock_broker_push_request_error_rtts": (
        ctypes.c_int,
        _HANDLE,
        ctypes.c_int32,
        ctypes.c_int16,
        ctypes.c_size_t,
    ),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, _HANDLE, ctypes.c_int32),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, _HANDLE, ctypes.c_int32, ctypes.c_int),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, _HANDLE, ctypes.c_int32),
    "rd_kafka_mock_clear_request_errors": (None, _HANDLE, ctypes.c_int16),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, _HANDLE),
    "rd_kafka_mock_cluster_destroy": (None, _HANDLE),
    "rd_kafka_mock_cluster_new": (_HANDLE, _HANDLE, ctypes.c_int),
    "rd_kafka_mock_coordinator_set": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int32),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, _HANDLE, ctypes.c_int32),
    "rd_kafka_mock_partition_delete_records": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64),
    "rd_kafka_mock_partition_set_leader": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32),
    "rd_kafka_mock_push_request_errors_array": (None, _HANDLE, ctypes.c_int16, ctypes.c_size_t, _CODES),
    "rd_kafka_mock_set_controller_id": (None, _HANDLE, ctypes.c_int32),
    "rd_kafka_mock_topic_create": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    "rd_kafka_mock_topic_delete": (ctypes.c_int, _HANDLE, ctypes.c_char_p),
    "rd_kafka_mock_topic_set_error": (None, _HANDLE, ctypes.c_char_p, ctypes.c_int),
}


def _library() -> ctypes.CDLL:
    # Opened through the extension module: names are then looked up in what that module is linked to, be it the copy in
    # the wheel (Linux: confluent_kafka.libs, macOS: .dylibs) or the system's. It is always the one already loaded.
    library = ctypes.CDLL(cimpl.__file__)
    for name, (result, *parameters) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise BrokerError(
                f"there is no {name} in the librdkafka that {cimpl.__file__} is linked to, so there is no embedded "
                "broker: install confluent-kafka 2.16 or newer as a wheel, or use a real Kafka"
            ) from error
        function.restype, function.argtypes = result, parameters
    return library


def _new_client(library: ctypes.CDLL) -> int:
    reason = ctypes.create_string_buffer(512)
    settings = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(settings, b"log_level", b"3", reason, len(reason))  # it would warn that it has no servers
    client: int | None = library.rd_kafka_new(_PRODUCER, settings, reason, len(reason))
    if client is None:
        library.rd_kafka_conf_destroy(settings)
        raise BrokerError(f"librdkafka could not start the embedded broker: {reason.value.decode()}")
    return client
