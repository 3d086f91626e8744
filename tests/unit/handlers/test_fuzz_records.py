"""Whatever stands in a record, it has one verdict, nothing breaks, and the next record is taken (I28, I41)."""

import asyncio
import gc
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from pydantic import BaseModel

from saga_coordinator.contracts import BadEnvelope
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.contracts.json_limits import check_json
from saga_coordinator.handlers.decode import read
from saga_coordinator.handlers.records import Place, RawHeaders, Record
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from tests.unit.handlers._support import fuzzed
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.order_log import EVENTS, TIMESTAMP, Log

ROUTES = Routes([order_fulfilment])
MODELS: list[type[BaseModel]] = [*ROUTES.replies.values(), *(model for model, _ in ROUTES.events.values())]

Content = tuple[RawHeaders, bytes | None]
Raw = tuple[str, bytes | None, Content]
raw_records = st.tuples(fuzzed.topics, fuzzed.keys, fuzzed.contents)


@fuzzed.tried(60)
@given(st.lists(raw_records, min_size=1, max_size=6))
def test_any_record_has_one_verdict_and_the_next_is_taken_i11_i28(raw: list[Raw]) -> None:
    asyncio.run(taken(raw))


async def taken(raw: list[Raw]) -> None:
    """Take records in between two that are right, all in one batch."""
    log = Log()
    with tempfile.TemporaryDirectory() as folder:
        async with open_coordinator(Path(folder) / "saga.db") as it:
            await it.take(log.placed("o-1"))
            odd = [placed(log, each) for each in raw]
            await it.take(log.placed("o-8"), *odd, log.placed("o-9"))
            assert {record.place: len(it.verdicts(record.place)) for record in odd} == {each.place: 1 for each in odd}
            assert (it.status("o-8"), it.status("o-9")) == ("running", "running")


def placed(log: Log, raw: Raw) -> Record:
    """Append a record to the log of its topic."""
    topic, key, (headers, value) = raw
    return log.record(topic, None, value, headers)._replace(key=key)


@fuzzed.tried(400)
@given(fuzzed.contents)
def test_an_envelope_is_read_or_refused_and_what_is_read_can_be_written_again(content: Content) -> None:
    try:
        envelope, payload = wire.read(*content)
    except BadEnvelope as refused:
        str(refused).encode()  # it is stored: half a character in it would stop the partition
        return
    if sum(len(str(each).encode()) for each in structs.astuple(envelope)) < wire.MAX_HEADER_BYTES // 2:
        assert wire.read(wire.write(envelope), payload) == (envelope, payload)


@fuzzed.tried(400)
@given(fuzzed.values)
def test_a_message_is_understood_or_refused(value: bytes | None) -> None:
    for model in MODELS:
        try:
            message = model.model_validate_json(value or b"")
            check_json(value or b"")
        except ValueError:  # pydantic's is one, too: nothing else may come
            continue
        assert model.model_validate_json(message.model_dump_json()) == message


@pytest.mark.slow
def test_monsters_leave_nothing_in_memory_i41() -> None:
    monsters = [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 60 + b"9" * 1_000_000,
        b'{"order_id":"' + b"\\u0041" * 100_000 + b'"}',
        b"{" + b",".join(b'"%d":0' % number for number in range(50_000)) + b"}",
    ]
    headers = [
        (("content-type", fuzzed.STRUCTURED),),
        tuple(wire.write(wire.Envelope("m", "orders.order-placed.v1", "/t"))),
        tuple((f"h{number}", b"x" * 1000) for number in range(5_000)),
    ]
    records = [Record(Place(EVENTS, 0, 0), TIMESTAMP, b"k", value, found) for value in monsters for found in headers]

    def all_read() -> int:
        for record in records:
            read(ROUTES, record)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        all_read()
        before = all_read()
        assert all_read() < before + 50_000
    finally:
        tracemalloc.stop()
