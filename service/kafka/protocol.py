"""Requests of Kafka's protocol that aiokafka 0.14 does not have, or whose answers it does not read."""

from base64 import urlsafe_b64encode
from collections.abc import Collection
from io import BytesIO
from typing import Final

from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

OPERATIONS: Final = {3: "Read", 4: "Write", 8: "Describe", 10: "DescribeConfigs"}
"""The operations that matter here, by their numbers in Kafka."""
NOT_REPORTED: Final = -(2**31)


def operations_of(bits: int) -> Collection[str] | None:
    """Return the operations whose numbers are set as bits in an answer, None if the broker does not report them."""
    return None if bits == NOT_REPORTED else {name for number, name in OPERATIONS.items() if bits >> number & 1}


class _GroupRightsStruct(DescribeGroupsRequest_v3):  # type: ignore[misc]  # aiokafka carries no types
    RESPONSE_TYPE = DescribeGroupsResponse_v3  # aiokafka has that of version 2


class GroupRightsRequest(Request[_GroupRightsStruct]):  # type: ignore[misc]  # aiokafka carries no types
    """The description of a group in version 3 (KIP-430), which has what this client may do."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupRightsStruct]) -> _GroupRightsStruct:
        """Return the request."""
        return request_struct_class([self._group], True)  # noqa: FBT003  in the order of the schema


class _Uuid(AbstractType[str | None]):  # type: ignore[misc]  # aiokafka carries no types
    @classmethod
    def encode(cls, value: str | None) -> bytes:  # noqa: ARG003  the form of every type
        """Write no id: a topic is asked for by its name."""
        return bytes(16)

    @classmethod
    def decode(cls, data: BytesIO) -> str | None:
        """Return an id as Kafka's tools print it, None if there is none."""
        value = data.read(16)
        return urlsafe_b64encode(value).decode().rstrip("=") if any(value) else None


class _TopicDetailsResponse(Response):  # type: ignore[misc]  # aiokafka carries no types
    API_KEY, API_VERSION = 3, 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _TopicDetailsStruct(RequestStruct):  # type: ignore[misc]  # aiokafka carries no types
    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION = 3, 10
    RESPONSE_TYPE = _TopicDetailsResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicDetailsRequest(Request[_TopicDetailsStruct]):  # type: ignore[misc]  # aiokafka carries no types
    """The metadata request in version 10 (Kafka 2.8), whose answer has ids and rights; aiokafka has those up to 5."""

    API_KEY = 3

    def __init__(self, names: Collection[str], *, operations: bool = False) -> None:
        self._names = sorted(names)
        self._operations = operations

    def build(self, request_struct_class: type[_TopicDetailsStruct]) -> _TopicDetailsStruct:
        """Return the request; it creates no topic."""
        topics: list[tuple[None, str, dict[int, bytes]]] = [(None, name, {}) for name in self._names]
        return request_struct_class(topics, False, False, self._operations, {})  # noqa: FBT003  in the order of the schema
