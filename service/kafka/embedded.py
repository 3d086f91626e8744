"""A Kafka broker inside this process, for the demo and for fast tests: librdkafka's mock cluster.

The library comes with the confluent-kafka wheel, so nothing but Python is needed. The broker speaks Kafka's protocol on a free
port of the loopback address; clients of any library and of other processes can use it.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import cimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

DISCONNECT: Final = -195
"""An error for `push_request_errors` that drops the client's connection instead of answering (RD_KAFKA_RESP_ERR__TRANSPORT)."""


class ApiKey(IntEnum):
    """The kind of a Kafka request (https://kafka.apache.org/protocol#protocol_api_keys) that can be made to fail."""

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


class EmbeddedBrokerError(RuntimeError):
    """The embedded broker could not be made, or refused what it was asked; the message says what and why."""


class EmbeddedBroker:
    """One broker that lives as long as its `with` block, with the topics given as name to number of partitions.

    All methods are quick and may be called from any thread. They raise EmbeddedBrokerError outside the `with` block.
    """

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        self._topics = dict(topics or {})
        self._client = 0
        self._running_cluster = 0

    def __enter__(self) -> Self:
        """Start to listen and create the topics; raises EmbeddedBrokerError if the library cannot do it."""
        self._library = _library()
        self._client = _new_client(self._library)
        self._running_cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1) or 0
        try:
            self._prepare()
        except BaseException:
            self._free()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection and free all memory and threads of the broker."""
        self._free()

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect: `127.0.0.1:<port>`; the port stays the same through `set_down` and `set_up`."""
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create an empty topic; one that exists already is refused."""
        code = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        self._check(code, f"create topic {name} with {partitions} partitions")

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its records and committed offsets."""
        self._check(self._library.rd_kafka_mock_topic_delete(self._cluster, name.encode()), f"delete topic {name}")

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Drop the records before this offset, as retention would; only whole record batches go."""
        code = self._library.rd_kafka_mock_partition_delete_records(self._cluster, topic.encode(), partition, before)
        self._check(code, f"delete the records of {topic}:{partition} before offset {before}")

    def set_down(self) -> None:
        """Drop all connections and refuse new ones; records, groups and offsets are kept."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, _EVERY_BROKER), "go down")

    def set_up(self) -> None:
        """Accept connections again."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, _EVERY_BROKER), "come up")

    def set_rtt(self, ms: int) -> None:
        """Delay every answer by this many milliseconds; 0 ends it."""
        self._check(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, _EVERY_BROKER, ms), f"delay by {ms} ms")

    def push_request_errors(self, api_key: ApiKey, errors: Sequence[int]) -> None:
        """Answer the next requests of this kind with these Kafka error codes, one each, in order (0: no error; DISCONNECT)."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api_key, len(errors), codes)

    def clear_request_errors(self, api_key: ApiKey) -> None:
        """Forget the errors for requests of this kind that no request has met yet."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api_key)

    @property
    def _cluster(self) -> int:
        if not self._running_cluster:
            message = "the embedded broker runs only inside its `with` block: use it as `with EmbeddedBroker() as broker:`"
            raise EmbeddedBrokerError(message)
        return self._running_cluster

    def _prepare(self) -> None:
        if not self._running_cluster:
            raise EmbeddedBrokerError("librdkafka could not start its mock cluster; its log on stderr says why")
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        for name, partitions in self._topics.items():
            self.create_topic(name, partitions)

    def _free(self) -> None:
        cluster, self._running_cluster = self._running_cluster, 0
        client, self._client = self._client, 0
        if cluster:
            self._library.rd_kafka_mock_cluster_destroy(cluster)
        if client:
            self._library.rd_kafka_destroy(client)

    def _check(self, code: int, wish: str) -> None:
        if code:
            reason: bytes = self._library.rd_kafka_err2str(code)
            raise EmbeddedBrokerError(f"the embedded broker cannot {wish}: {reason.decode()} (librdkafka error {code})")


_EVERY_BROKER: Final = -1
_PRODUCER: Final = 0
_HANDLE: Final = ctypes.c_void_p
_FUNCTIONS: Final = {
    "rd_kafka_conf_new": (_HANDLE,),
    "rd_kafka_conf_set": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    "rd_kafka_new": (_HANDLE, ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_size_t),
    "rd_kafka_destroy": (None, _HANDLE),
    "rd_kafka_err2str": (ctypes.c_char_p, ctypes.c_int),
    "rd_kafka_mock_cluster_new": (_HANDLE, _HANDLE, ctypes.c_int),
    "rd_kafka_mock_cluster_destroy": (None, _HANDLE),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, _HANDLE),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, _HANDLE, ctypes.c_int32),
    "rd_kafka_mock_topic_create": (ctypes.c_int, _HANDLE, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    "rd_kafka_mock_topic_delete": (ctypes.c_int, _HANDLE, ctypes.c_char_p),
    "rd_kafka_mock_partition_delete_records": (
        ctypes.c_int,
        _HANDLE,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.c_int64,
    ),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, _HANDLE, ctypes.c_int32),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, _HANDLE, ctypes.c_int32),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, _HANDLE, ctypes.c_int32, ctypes.c_int),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        _HANDLE,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ),
    "rd_kafka_mock_clear_request_errors": (None, _HANDLE, ctypes.c_int16),
}
"""The functions of librdkafka used here: result, then parameters, as rdkafka.h and rdkafka_mock.h declare them."""


def _library() -> ctypes.CDLL:
    # Opened through the extension module: a name is then looked up in whatever that module is linked to, be it the wheel's
    # own library (Linux: confluent_kafka.libs, macOS: .dylibs) or the system's. So it is always the one already loaded.
    library = ctypes.CDLL(cimpl.__file__)
    for name, (result, *parameters) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError as missing:
            message = (
                f"the librdkafka of the installed confluent-kafka ({cimpl.__file__}) does not export {name}, so there is no "
                "embedded broker: install confluent-kafka >= 2.16 as a wheel, or use a real Kafka"
            )
            raise EmbeddedBrokerError(message) from missing
        function.restype, function.argtypes = result, parameters
    return library


def _new_client(library: ctypes.CDLL) -> int:
    reason = ctypes.create_string_buffer(512)
    settings = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(settings, b"log_level", b"3", reason, len(reason))  # errors only: it has no servers, on purpose
    client: int | None = library.rd_kafka_new(_PRODUCER, settings, reason, len(reason))
    if not client:
        raise EmbeddedBrokerError(f"librdkafka could not start a client for the embedded broker: {reason.value.decode()}")
    return client
