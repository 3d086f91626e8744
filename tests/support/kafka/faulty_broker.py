"""The embedded broker with faults: errors, delays and outages to order, trimmed logs, and leaders to choose."""

import ctypes
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from saga_coordinator.service.kafka.embedded_broker import HANDLE, EmbeddedBroker, Functions, declare

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


class FaultyBroker(EmbeddedBroker):
    """An embedded broker whose requests can fail. Several `brokers`, numbered from 1, can fail independently."""

    def __init__(self, topics: Mapping[str, int] | None = None, *, brokers: int = 1) -> None:
        super().__init__(topics, brokers=brokers)
        declare(self._library, _FUNCTIONS)

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


_EVERY_BROKER: Final = -1
_CODES: Final = ctypes.POINTER(ctypes.c_int)
_SIZE: Final = ctypes.POINTER(ctypes.c_size_t)

_FUNCTIONS: Final[Functions] = {
    "rd_kafka_mock_broker_error_stack_cnt": (ctypes.c_int, HANDLE, ctypes.c_int32, ctypes.c_int16, _SIZE),
    # Of any number of parameters, of which these are the first:
    "rd_kafka_mock_broker_push_request_error_rtts": (
        ctypes.c_int,
        HANDLE,
        ctypes.c_int32,
        ctypes.c_int16,
        ctypes.c_size_t,
    ),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, HANDLE, ctypes.c_int32),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, HANDLE, ctypes.c_int32, ctypes.c_int),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, HANDLE, ctypes.c_int32),
    "rd_kafka_mock_clear_request_errors": (None, HANDLE, ctypes.c_int16),
    "rd_kafka_mock_coordinator_set": (ctypes.c_int, HANDLE, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int32),
    "rd_kafka_mock_partition_delete_records": (ctypes.c_int, HANDLE, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64),
    "rd_kafka_mock_partition_set_leader": (ctypes.c_int, HANDLE, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32),
    "rd_kafka_mock_push_request_errors_array": (None, HANDLE, ctypes.c_int16, ctypes.c_size_t, _CODES),
    "rd_kafka_mock_topic_delete": (ctypes.c_int, HANDLE, ctypes.c_char_p),
    "rd_kafka_mock_topic_set_error": (None, HANDLE, ctypes.c_char_p, ctypes.c_int),
}
