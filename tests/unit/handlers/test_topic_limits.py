"""A message that is too large for its topic is not in the outbox, where it would block its lane."""

from pathlib import Path

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES, size_of
from saga_coordinator.handlers.records import OutboxMessage, RawHeaders
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Wall, open_coordinator
from tests.unit.handlers._support.order_log import Log

COMMANDS, OUTCOMES, DEAD_LETTERS = "made.commands.v1", "saga.made.outcomes.v1", "saga.replies.v1-dlt"
SMALL = 2_000
LARGE = "x" * SMALL


def narrow(topic: str) -> Wall:
    """A broker with one topic that takes little."""
    wall = Wall()
    wall.limits[topic] = SMALL
    return wall


async def test_a_command_larger_than_its_topic_takes_stalls_its_instance_and_names_the_limit_i41(
    tmp_path: Path,
) -> None:
    log, saga = Log(), saga_kit.saga(saga_kit.compensatable("a"), saga_kit.compensatable("b"))
    async with open_coordinator(tmp_path / "saga.db", saga, publisher=narrow(COMMANDS)) as it:
        await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in ("k-1", "k-2")))
        large, small = it.messages
        await it.take(log.says(large, saga_kit.Did(word=LARGE)), log.says(small, saga_kit.Did()))

        assert it.rows("SELECT status FROM instance ORDER BY correlation") == [("stalled",), ("running",)]
        assert (it.types("k-1"), it.types("k-2")) == (["made.do-a.v1"], ["made.do-a.v1", "made.do-b.v1"])
        ((reason,),) = it.rows("SELECT reason FROM history WHERE kind = 'obstruct'")
        assert reason.startswith("made.do-b.v1 has 2")
        assert f"{COMMANDS} takes {SMALL}: send a reference instead" in reason


async def test_an_outcome_larger_than_its_topic_accepts_is_not_written_and_its_reply_is_dead_lettered_i28_i41(
    tmp_path: Path,
) -> None:
    log = Log()
    async with open_coordinator(
        tmp_path / "saga.db", saga_kit.saga(saga_kit.safe("a")), publisher=narrow(OUTCOMES)
    ) as it:
        await it.take(log.event(saga_kit.Begun(key="k-1"), "k-1"))
        reply = log.says(it.messages[0], saga_kit.Did(word=LARGE))
        await it.take(reply)
        verdict, cause = it.verdict(reply.place)
        assert (verdict, f"{OUTCOMES} takes {SMALL}" in (cause or "")) == ("dead-lettered", True)
        assert [row.topic for row in it.messages] == [COMMANDS, DEAD_LETTERS]


LARGE_IN: dict[str, RawHeaders] = {"value": (), "header": (("odd", LARGE.encode()),), "name": (("ü" * SMALL, b""),)}


@pytest.mark.parametrize("headers", LARGE_IN.values(), ids=LARGE_IN)
async def test_a_dead_letter_larger_than_its_topic_accepts_is_only_stored_i28(
    tmp_path: Path, headers: RawHeaders
) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", publisher=narrow(DEAD_LETTERS)) as it:
        await it.take(log.record("saga.replies.v1", "k", b"" if headers else LARGE.encode(), headers))
        assert it.rows("SELECT count(*) FROM dead_letter") == [(1,)]
        assert it.messages == []


@pytest.mark.parametrize("key", [None, b"", b"k" * 200])
@pytest.mark.parametrize("value", [None, b"", b"v" * 70_000])
@pytest.mark.parametrize("headers", [(), (("null", None), ("ü" * 100, b"\xff" * 20_000)), (("n", b"v"),) * 300])
def test_a_row_is_never_taken_for_smaller_than_kafka_finds_it(
    key: bytes | None, value: bytes | None, headers: RawHeaders
) -> None:
    batch = BatchBuilder(MAX_MESSAGE_BYTES, 0)
    batch.append(key=key, value=value, timestamp=None, headers=list(headers))
    found = size_of(OutboxMessage("m-1", 0, "t", 0, key, headers, value))
    assert batch.size() <= found <= batch.size() + 100 + 10 * len(headers)
