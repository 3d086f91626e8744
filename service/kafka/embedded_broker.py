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
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from confluent_kafka import cimpl

from saga_coordinator.service.errors import BrokerError

Functions = Mapping[str, tuple[type | None, ...]]
"""Result and parameters of C functions, by their names."""

HANDLE: Final = ctypes.c_void_p


class EmbeddedBroker:
    """One broker that lives as long as its `with` block, with `topics` as name to number of partitions.

    All methods return at once (leaving the block may take a second) and may be called from any thread. They raise
    BrokerError when the broker refuses or does not run.
    """

    def __init__(self, topics: Mapping[str, int] | None = None, *, brokers: int = 1) -> None:
        self._topics = dict(topics or {})
        self._brokers = brokers
        # Opened through the extension module: names are then looked up in the library that it is linked to, be it the
        # copy in the wheel (Linux: confluent_kafka.libs, macOS: .dylibs) or the system's. It is loaded already.
        self._library = declare(ctypes.CDLL(cimpl.__file__), _FUNCTIONS)
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


_PRODUCER: Final = 0  # RD_KAFKA_PRODUCER

# As declared in librdkafka's rdkafka.h and rdkafka_mock.h.
_FUNCTIONS: Final[Functions] = {
    "rd_kafka_conf_new": (HANDLE,),
    "rd_kafka_conf_set": (ctypes.c_int, HANDLE, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    "rd_kafka_conf_destroy": (None, HANDLE),
    "rd_kafka_new": (HANDLE, ctypes.c_int, HANDLE, ctypes.c_char_p, ctypes.c_size_t),
    "rd_kafka_destroy": (None, HANDLE),
    "rd_kafka_err2str": (ctypes.c_char_p, ctypes.c_int),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, HANDLE),
    "rd_kafka_mock_cluster_destroy": (None, HANDLE),
    "rd_kafka_mock_cluster_new": (HANDLE, HANDLE, ctypes.c_int),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, HANDLE, ctypes.c_int32),
    "rd_kafka_mock_set_controller_id": (None, HANDLE, ctypes.c_int32),
    "rd_kafka_mock_topic_create": (ctypes.c_int, HANDLE, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
}


def declare(library: ctypes.CDLL, functions: Functions) -> ctypes.CDLL:
    """Set results and parameters of a library's functions. Raises `BrokerError` if it has not all of them."""
    for name, (result, *parameters) in functions.items():
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
