"""Telemetry as handlers know it: it neither waits nor raises, and without an endpoint it exports nothing."""

import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from saga_coordinator.handlers.ports import Lane, Observer
from saga_coordinator.handlers.records import Committed
from saga_coordinator.service.telemetry.observer import Observers, Telemetry
from tests.unit.telemetry._support.collector import Collector, collecting
from tests.unit.telemetry._support.made import ids, spans_of
from tests.unit.telemetry._support.story import Story, order_placed


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


class Remembering:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.turns: list[Committed] = []
        self.troubles: list[str] = []

    def on_commit(self, turn: Committed) -> None:
        self.turns.append(turn)

    def on_error(self, what: str, error: BaseException) -> None:  # noqa: ARG002  the port's form
        self.troubles.append(what)

    def on_stopped(self, at: Lane, reason: str) -> None:
        self.troubles.append(f"{at}: {reason}")


class Failing:
    """An observer that fails."""

    def on_commit(self, turn: Committed) -> None:  # noqa: ARG002  the port's form
        raise RuntimeError("no display")

    def on_error(self, what: str, error: BaseException) -> None:  # noqa: ARG002  the port's form
        raise RuntimeError("no display")

    def on_stopped(self, at: Lane, reason: str) -> None:  # noqa: ARG002  the port's form
        raise RuntimeError("no display")


async def test_what_is_committed_is_traced_measured_and_delivered_at_the_end(collector: Collector) -> None:
    telemetry = Telemetry("the-group")
    telemetry.start()
    story = Story(telemetry.sampler)
    for turn in story.runs(order_placed("o-1")):
        telemetry.on_commit(turn)
    text = telemetry.metrics.text()
    await telemetry.stop(10)

    received = {(int.from_bytes(span.trace_id, "big"), int.from_bytes(span.span_id, "big")) for span in collector.spans}
    assert received == {ids(span) for span in spans_of(story.turns)}
    assert b'saga_duration_seconds_count{saga="order-fulfilment",status="completed"} 1.0' in text
    assert collector.measured["saga.duration"].histogram.data_points[0].count == 1
    assert {span.trace_id for span in collector.spans if span.name.startswith("saga ")} == {
        bytes.fromhex(story.instance.id.replace("-", ""))
    }


async def test_without_an_endpoint_there_is_no_thread_and_no_span(collector: Collector) -> None:
    with pytest.MonkeyPatch.context() as without:
        without.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
        before = threading.active_count()
        telemetry = Telemetry()
        telemetry.start()
        for turn in Story(telemetry.sampler).runs(order_placed("o-1")):
            telemetry.on_commit(turn)

        assert threading.active_count() == before
        assert b"saga_spans_dropped_total 0.0" in telemetry.metrics.text()
        await telemetry.stop(10)

    assert collector.headers == []


async def test_a_dead_collector_does_not_hold_up_the_shutdown(collector: Collector) -> None:
    collector.open.clear()
    telemetry = Telemetry()
    telemetry.start()
    for turn in Story().runs(order_placed("o-1")):
        telemetry.on_commit(turn)

    before = monotonic()
    await telemetry.stop(0.5)

    assert monotonic() - before < 2


async def test_trouble_of_one_watcher_is_no_trouble_of_the_others() -> None:
    remembering = Remembering()
    audience: Observer = Observers(Failing(), remembering)
    turn = Story().takes(order_placed("o-1"))

    audience.on_commit(turn)
    audience.on_error("no broker", OSError())

    assert remembering.turns == [turn]
    assert remembering.troubles == ["no broker"]


async def test_a_fault_in_measuring_keeps_nothing_from_being_traced(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry = Telemetry()
    monkeypatch.setattr(telemetry.measures, "transitions", None)
    telemetry.start()
    telemetry.on_commit(Story().takes(order_placed("o-1")))
    await telemetry.stop(10)

    assert len(collector.spans) == 3
