"""What a saga's own functions raise concerns one record or one instance, never the partition."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import field_validator

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.sagas import Saga, parallel, step
from saga_coordinator.sagas.language.nodes import Step
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import Log

T = TypeVar("T")

MadeSaga = Saga[saga_kit.Begun, saga_kit.Data]


def broken(function: Callable[..., T]) -> Callable[..., T]:
    """The function, but it raises for the key "bad"."""

    @wraps(function)
    def wrapped(first: Any, *more: Any) -> T:  # noqa: ANN401  data or event, and what comes with it
        if first.key == "bad":
            raise ArithmeticError("on purpose")
        return function(first, *more)

    return wrapped


def first_step(*, send: bool = False, remember: bool = False) -> Step[saga_kit.Data]:
    whole = saga_kit.compensatable("a")
    return step(
        "a",
        broken(whole.send) if send else whole.send,
        remember=broken(saga_kit.remembers("a")) if remember else saga_kit.remembers("a"),
        compensate=whole.compensate,
    )


def second_step(*, send: bool = False) -> Step[saga_kit.Data]:
    whole = saga_kit.compensatable("b")
    return step(
        "b",
        broken(whole.send) if send else whole.send,
        remember=saga_kit.remembers("b"),
        compensate=whole.compensate,
    )


AT_START: dict[str, MadeSaga] = {
    "begin": replace(saga_kit.saga(first_step()), begin=broken(saga_kit.begin)),
    "correlate": replace(saga_kit.saga(first_step()), correlate=broken(saga_kit.key)),
    "send": saga_kit.saga(first_step(send=True)),
}

AT_REPLY: dict[str, MadeSaga] = {
    "remember": saga_kit.saga(first_step(remember=True), second_step()),
    "send": saga_kit.saga(first_step(), second_step(send=True)),
    "on_completed": replace(saga_kit.saga(first_step()), on_completed=broken(saga_kit.finished)),
}


@pytest.mark.parametrize("function", AT_START)
async def test_a_start_that_raises_is_dead_lettered_alone_i28(tmp_path: Path, function: str) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", AT_START[function]) as it:
        records = [log.event(saga_kit.Begun(key=key), key) for key in ("k-1", "bad", "k-2")]
        await it.take(*records)
        assert [it.verdict(record.place).verdict for record in records] == ["applied", "dead-lettered", "applied"]
        assert "ArithmeticError: on purpose" in (it.verdict(records[1].place).reason or "")
        assert it.rows("SELECT correlation FROM instance ORDER BY 1") == [("k-1",), ("k-2",)]
        assert it.types("bad") == ["made.begun.v1"]


@pytest.mark.parametrize("function", AT_REPLY)
async def test_a_reply_that_raises_is_dead_lettered_and_leaves_its_instance_unchanged_i28(
    tmp_path: Path, function: str
) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", AT_REPLY[function]) as it:
        await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in ("bad", "k-1")))
        bad, good = it.messages
        kept = "SELECT status, data, json_remove(state, '$.parked_at') FROM instance WHERE correlation = 'bad'"
        before = it.rows(kept)
        replies = [log.says(bad, saga_kit.Did()), log.says(good, saga_kit.Did())]
        await it.take(*replies)

        assert [it.verdict(reply.place).verdict for reply in replies] == ["dead-lettered", "applied"]
        assert it.rows(kept) == before
        assert len(it.types("k-1")) == 2
        assert it.types("bad") == ["made.do-a.v1", "made.did.v1"]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("it does not even say what it is")


RAISED: dict[str, Exception] = {
    "half a character": ValueError("caf\udce9"),
    "NUL": ValueError("a\0b"),
    "very long": ValueError("x" * 2_000_000),
    "without words": Unspeakable(),
}


@pytest.mark.parametrize("error", RAISED.values(), ids=RAISED)
async def test_whatever_a_saga_raises_is_written_down_and_the_partition_goes_on_i28(
    tmp_path: Path, error: Exception
) -> None:
    def remember(data: saga_kit.Data, reply: saga_kit.Did) -> saga_kit.Data:  # noqa: ARG001  a saga's form
        raise error

    log, whole = Log(), saga_kit.compensatable("a")
    saga = saga_kit.saga(step("a", whole.send, remember=remember, compensate=whole.compensate))
    async with open_coordinator(tmp_path / "saga.db", saga) as it:
        await it.take(log.event(saga_kit.Begun(key="bad"), "bad"))
        reply, event = log.says(it.messages[0], saga_kit.Did()), log.event(saga_kit.Begun(key="k-2"), "k-2")
        await it.take(reply, event)

        verdict, cause = it.verdict(reply.place)
        assert verdict == "dead-lettered"
        assert (cause or "").startswith(f"saga made raised {type(error).__name__}")
        assert len(cause or "") < 2_500
        assert "\0" not in (cause or ""), "PostgreSQL takes none"
        assert it.verdict(event.place) == ("applied", None)
        assert it.messages[1].topic == "saga.replies.v1-dlt", "it is published, too"


CARD = "4111 1111 1111 1111"


class Paid(saga_kit.Begun):
    message_type = "made.paid-by-card.v1"

    card: str = ""

    @field_validator("card")
    @classmethod
    def check(cls, card: str) -> str:
        """Refuse a card that is wrong, in one of two ways."""
        if card == CARD:
            raise ValueError(f"{card} has expired")
        return {"": card}[card]


@pytest.mark.parametrize(
    ("card", "cause", "header"),
    [
        (CARD, f"Paid: card: Value error, {CARD} has expired", b"Paid: card: Value error"),
        ("4242", "the model of its message raised KeyError: '4242'", b"the model of its message raised KeyError"),
    ],
)
async def test_what_the_validator_of_a_message_raises_concerns_its_record_and_stays_here_i28(
    tmp_path: Path, card: str, cause: str, header: bytes
) -> None:
    log = Log()
    saga = replace(saga_kit.saga(first_step()), starts_on=Paid)
    async with open_coordinator(tmp_path / "saga.db", saga) as it:
        bad = log.event(Paid.model_construct(key="bad", card=card), "bad")
        good = log.event(Paid(key="k-1"), "k-1")
        await it.take(bad, good)

        assert [it.verdict(record.place) for record in (bad, good)] == [("dead-lettered", cause), ("applied", None)]
        [letter] = [row for row in it.messages if row.topic.endswith("-dlt")]
        assert dict(letter.headers)["kafka_dlt-exception-message"] == header


UNWRITABLE: dict[str, object] = {"no JSON": (object(),), "half a character": ("caf\udce9",), "another type": 5}


@pytest.mark.parametrize("seen", UNWRITABLE.values(), ids=UNWRITABLE)
async def test_data_that_cannot_be_written_concern_their_record_alone_i28_i29(tmp_path: Path, seen: object) -> None:
    def remember(data: saga_kit.Data, reply: saga_kit.Did) -> saga_kit.Data:
        return data.model_copy(update={"seen": seen}) if reply.word == "bad" else data

    log, whole = Log(), saga_kit.compensatable("a")
    forgetful = step("a", whole.send, remember=remember, compensate=whole.compensate)
    async with open_coordinator(tmp_path / "saga.db", saga_kit.saga(parallel(forgetful, small_step()))) as it:
        await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in ("k-1", "k-2")))
        bad, good = it.sent("made.do-a.v1", "k-1")[0], it.sent("made.do-a.v1", "k-2")[0]
        replies = [log.says(bad, saga_kit.Did(word="bad")), log.says(good, saga_kit.Did())]
        await it.take(*replies)

        assert [it.verdict(reply.place).verdict for reply in replies] == ["dead-lettered", "applied"]
        reason = it.verdict(replies[0].place).reason or ""
        assert reason.startswith("saga made raised ValueError: saga made: remember returns data that are no Data: ")
        assert it.rows("SELECT json_extract(data, '$.seen') FROM instance ORDER BY 1") == [("[]",), ("[]",)]
        assert it.rows("SELECT revision FROM instance ORDER BY 1") == [(2,), (2,)]


async def test_an_instance_that_begins_with_data_that_cannot_be_written_does_not_begin_i28(tmp_path: Path) -> None:
    def begin(event: saga_kit.Begun) -> saga_kit.Data:
        return saga_kit.begin(event).model_copy(update={"coins": object()})

    log = Log()
    async with open_coordinator(tmp_path / "saga.db", replace(saga_kit.saga(safe_step()), begin=begin)) as it:
        event = log.event(saga_kit.Begun(key="k-1"), "k-1")
        await it.take(event)
        assert it.verdict(event.place).verdict == "dead-lettered"
        assert it.rows("SELECT 1 FROM instance") == []


async def test_a_command_too_large_to_publish_stalls_its_instance_and_says_so(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", saga_kit.saga(first_step(), second_step())) as it:
        await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in ("k-1", "k-2")))
        large, small = it.messages
        await it.take(log.says(large, saga_kit.Did(word="x" * MAX_MESSAGE_BYTES)), log.says(small, saga_kit.Did()))

        assert it.rows("SELECT correlation, status FROM instance ORDER BY 1") == [
            ("k-1", "stalled"),
            ("k-2", "running"),
        ]
        assert (it.types("k-1"), it.types("k-2")) == (["made.do-a.v1"], ["made.do-a.v1", "made.do-b.v1"])
        _, _, (kind, verdict, reason), *_ = it.rows("SELECT kind, verdict, reason FROM history ORDER BY instance, seq")
        assert (kind, verdict) == ("obstruct", "applied")
        assert "made.do-b.v1 has 1000" in reason
        assert "send a reference instead" in reason


async def test_beside_a_command_too_large_its_siblings_are_sent_and_remembered(tmp_path: Path) -> None:
    """A stalled instance still records what its other commands bring."""
    log, large = Log(), "k" * MAX_MESSAGE_BYTES
    saga = saga_kit.saga(parallel(first_step(), small_step()))
    async with open_coordinator(tmp_path / "saga.db", saga) as it:
        await it.take(log.event(saga_kit.Begun(key=large), "k-1"))
        assert it.rows("SELECT status FROM instance") == [("stalled",)]
        assert it.messages == []


async def test_an_outcome_too_large_to_publish_does_not_block_its_topic(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", saga_kit.saga(first_step())) as it:
        await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in ("k-1", "k-2")))
        large, small = it.messages
        reply = log.says(large, saga_kit.Did(word="x" * MAX_MESSAGE_BYTES))
        await it.take(reply, log.says(small, saga_kit.Did()))
        verdict, reason = it.verdict(reply.place)
        assert (verdict, it.types("k-2")[-1]) == ("dead-lettered", "made.finished.v1")
        assert "made.finished.v1 has 1000" in (reason or "")
        assert all(len(row.value or b"") < MAX_MESSAGE_BYTES for row in it.messages)


def safe_step() -> Step[saga_kit.Data]:
    return step("a", saga_kit.makes(saga_kit.command("a", safe=True)), remember=saga_kit.remembers("a"))


def small_step() -> Step[saga_kit.Data]:
    return saga_kit.compensatable("c")


def status(it: Coordinator) -> list[tuple[Any, ...]]:
    return it.rows("SELECT correlation, status FROM instance ORDER BY 1")
