"""The embedded broker returns each error of the table in the response to the request that it is pushed for."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.integration._support.kafka_errors import CODES, Code
from tests.support.kafka.faulty_broker import ApiKey, FaultyBroker

pytestmark = pytest.mark.slow


def a_batch() -> bytes:
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=False, producer_id=1, producer_epoch=0, base_sequence=0, batch_size=1_000
    )
    builder.append(0, 1, b"key", b"value", [])
    return bytes(builder.build())


REQUESTS: Final[Mapping[ApiKey, Any]] = {
    ApiKey.METADATA: MetadataRequest(["t"]),
    ApiKey.FIND_COORDINATOR: FindCoordinatorRequest("g", 0),
    ApiKey.JOIN_GROUP: JoinGroupRequest("g", 1000, 1000, "", None, "consumer", [("range", b"")]),
    ApiKey.SYNC_GROUP: SyncGroupRequest("g", 1, "m", None, []),
    ApiKey.HEARTBEAT: HeartbeatRequest("g", 1, "m"),
    ApiKey.OFFSET_FETCH: OffsetFetchRequest("g", [("t", [0])]),
    ApiKey.OFFSET_COMMIT: OffsetCommitRequest("g", 1, "m", -1, [("t", [(0, 0, "")])]),
    ApiKey.LIST_OFFSETS: OffsetRequest(-1, 1, [("t", [(0, -1)])]),
    ApiKey.FETCH: FetchRequest(10, 1, 1000, 1, [("t", [(0, 0, 1000)])], rack_id=""),
    ApiKey.PRODUCE: ProduceRequest(
        required_acks=-1, timeout=1000, topics=[("t", [(0, a_batch())])], transactional_id=None
    ),
    ApiKey.INIT_PRODUCER_ID: InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000),
}


@pytest.mark.parametrize("api", REQUESTS, ids=lambda api: api.name)
async def test_each_error_is_in_the_response(api: ApiKey) -> None:
    async with connected() as (broker, client):
        for code in CODES[api]:
            if code is Code.DISCONNECTED:
                continue
            if api is ApiKey.METADATA:
                broker.set_topic_error("t", code)
            else:
                broker.push_broker_errors(1, api, [code])
            answer = (await client.send(1, REQUESTS[api])).to_object()
            assert f"'error_code': {code.value}" in str(answer)
            assert not broker.unmet_errors(1, api)


async def test_an_error_that_is_pushed_for_metadata_is_not_in_the_response() -> None:
    async with connected() as (broker, client):
        broker.push_broker_errors(1, ApiKey.METADATA, [Code.UNKNOWN_TOPIC_OR_PARTITION])
        answer = (await client.send(1, REQUESTS[ApiKey.METADATA])).to_object()
        assert [topic["error_code"] for topic in answer["topics"]] == [0]


def test_of_all_other_requests_only_a_closed_connection_is_in_the_table() -> None:
    assert {code for api, codes in CODES.items() if api not in REQUESTS for code in codes} == {Code.DISCONNECTED}


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[FaultyBroker, AIOKafkaClient]]:
    with FaultyBroker({"t": 1}) as broker:
        client = AIOKafkaClient(bootstrap_servers=broker.bootstrap_servers)
        await client.bootstrap()
        try:
            yield broker, client
        finally:
            await client.close()
