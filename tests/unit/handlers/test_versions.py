"""Versions of a saga side by side: an instance keeps its own, new ones take the newest, each hears what is its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from saga_coordinator.contracts import Event
from saga_coordinator.sagas import Saga, receive
from saga_coordinator.sagas.language.nodes import Node
from saga_coordinator.sagas.machine import instance_id
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import Log

MadeSaga = Saga[saga_kit.Begun, saga_kit.Data]


class Paid(Event):
    message_type = "made.paid.v1"
    topic = "made.events.v1"

    key: str


def key_of_one(event: Paid) -> str:
    return event.key


def key_of_two(event: Paid) -> str:
    return event.key


def version(number: int, *nodes: Node[saga_kit.Data], cancel_on: type[Event] | None = saga_kit.Stopped) -> MadeSaga:
    return replace(saga_kit.saga(*nodes), version=number, cancel_on=cancel_on)


def waits(key: Callable[[Paid], str]) -> Node[saga_kit.Data]:
    return receive("paid", Paid, key=key)


ONE = version(1, saga_kit.compensatable("a"), saga_kit.compensatable("b"))
TWO = version(2, saga_kit.compensatable("c"), saga_kit.compensatable("a"), saga_kit.compensatable("b"))


async def starts(it: Coordinator, log: Log, *keys: str) -> None:
    await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in keys))


async def answered(it: Coordinator, log: Log, type_: str, key: str) -> None:
    (asked,) = it.sent(type_, key)
    await it.take(log.says(asked, saga_kit.Did()))


def versions(it: Coordinator) -> list[tuple[str, int]]:
    return it.rows("SELECT correlation, version FROM instance ORDER BY 1")


async def test_an_instance_keeps_its_version_and_new_ones_take_the_newest_i30(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", ONE) as it:
        await starts(it, log, "k-1", "k-2")
        (old,) = it.sent("made.do-a.v1", "k-1")
    async with open_coordinator(tmp_path / "saga.db", ONE, TWO) as it:
        await starts(it, log, "n-1")
        await it.take(log.says(old, saga_kit.Did()))
        await answered(it, log, "made.do-c.v1", "n-1")

        assert versions(it) == [("k-1", 1), ("k-2", 1), ("n-1", 2)]
        assert it.types("k-1") == ["made.do-b.v1"], "version 1 knows no step c"
        assert it.types("n-1") == ["made.do-c.v1", "made.do-a.v1"]


async def test_a_second_start_finds_the_instance_of_the_old_version_i5(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", ONE) as it:
        await starts(it, log, "k-1")
    async with open_coordinator(tmp_path / "saga.db", ONE, TWO) as it:
        await starts(it, log, "k-1")

        assert versions(it) == [("k-1", 1)]
        assert it.rows("SELECT verdict FROM history ORDER BY seq") == [("applied",), ("duplicate",)]


async def test_instances_of_both_versions_are_cancelled_each_in_its_own_way(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", ONE) as it:
        await starts(it, log, "k-1")
        (a,) = it.sent("made.do-a.v1", "k-1")
    async with open_coordinator(tmp_path / "saga.db", ONE, TWO) as it:
        await starts(it, log, "n-1")
        (c,) = it.sent("made.do-c.v1", "n-1")
        await it.take(*(log.event(saga_kit.Stopped(key=key), key) for key in ("k-1", "n-1")))
        await it.take(log.says(a, saga_kit.Did()), log.says(c, saga_kit.Did()))

        assert it.types("k-1") == ["made.undo-a.v1"]
        assert it.types("n-1") == ["made.do-c.v1", "made.undo-c.v1"]


async def test_an_event_that_only_the_old_version_is_cancelled_by_still_cancels_it(tmp_path: Path) -> None:
    log = Log()
    newest = version(2, saga_kit.compensatable("a"), cancel_on=None)
    async with open_coordinator(tmp_path / "saga.db", ONE) as it:
        await starts(it, log, "k-1")
    async with open_coordinator(tmp_path / "saga.db", ONE, newest) as it:
        await starts(it, log, "n-1")
        old, new = (log.event(saga_kit.Stopped(key=key), key) for key in ("k-1", "n-1"))
        await it.take(old, new)

        assert it.verdict(old.place) == ("applied", None)
        verdict, reason = it.verdict(new.place)
        assert verdict == "unmatched"
        assert reason == "the version of the saga that its instance keeps is neither cancelled by it nor waits for it"
        assert it.rows("SELECT status FROM instance ORDER BY correlation") == [("compensating",), ("running",)]


BOTH_WAIT = version(1, waits(key_of_one)), version(2, waits(key_of_two), saga_kit.compensatable("a"))


async def test_an_event_that_two_versions_wait_for_has_one_verdict_i11(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", *BOTH_WAIT) as it:
        await starts(it, log, "k-1")
        event = log.event(Paid(key="k-1"), "k-1")
        await it.take(event)

        assert it.verdict(event.place) == ("applied", None)
        assert it.types("k-1") == ["made.do-a.v1"]


async def test_an_early_event_that_two_versions_wait_for_is_held_once_i11(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", *BOTH_WAIT) as it:
        event = log.event(Paid(key="k-1"), "k-1")
        await it.take(event)
        assert it.verdict(event.place) == ("buffered", None)
        await starts(it, log, "k-1")

        assert it.verdict(event.place) == ("applied", None)
        assert it.types("k-1") == ["made.do-a.v1"]


@pytest.mark.parametrize("oldest", [1, 2])
async def test_an_event_that_cancels_one_version_and_reaches_another_acts_once_on_each(
    tmp_path: Path, oldest: int
) -> None:
    """The event comes before the instance, and is held but once."""
    log = Log()
    cancelled = replace(version(oldest, saga_kit.compensatable("a")), cancel_on=Paid, correlate=key_of_any)
    waiting = version(3 - oldest, waits(key_of_one), saga_kit.compensatable("a"))
    event = log.event(Paid(key="k-1"), "k-1")
    async with open_coordinator(tmp_path / "saga.db", cancelled, waiting) as it:
        await it.take(event)
        assert it.verdict(event.place) == ("buffered", None)
        await starts(it, log, "k-1")

        assert it.verdict(event.place) == ("applied", None)
        status = {1: "running", 2: "compensating"}[oldest]
        assert (await it.stored(instance_id("made", "k-1"))).instance.status == status


def key_of_any(event: saga_kit.Begun | Paid) -> str:
    return event.key
