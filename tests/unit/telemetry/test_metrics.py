"""The measures as Prometheus and an OTLP collector get them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from saga_coordinator.service.counts import Counts, Unanswered
from saga_coordinator.service.telemetry.environment import resource_from_environment, scope
from saga_coordinator.service.telemetry.measures import BOUNDS, Measures
from saga_coordinator.service.telemetry.metrics import Metrics
from tests.unit.telemetry._support.collector import Collector, collecting
from tests.unit.telemetry._support.story import Story, declining, order_placed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Sample = tuple[str, tuple[tuple[str, str], ...]]


@pytest.fixture
def measures() -> Measures:
    story = Story()
    story.runs(order_placed("o-1"), order_placed("o-2"), by=declining("ship-order"))
    story.runs(order_placed("o-3"))
    measures = Measures()
    for turn in story.turns:
        measures.on_commit(turn)
    measures.set_counts(
        Counts(
            instances=[("order-fulfilment", "running", 3), ("order-fulfilment", "stalled", 1)],
            paused=[("order-fulfilment", 2)],
            unanswered=[Unanswered("order-fulfilment", "charge-card", "forward", 5, NOW - timedelta(minutes=2))],
            overdue=4,
            unreadable=1,
            dead_letters=6,
            parked=3,
            database_bytes=8192,
            wal_bytes=4096,
        ),
        NOW,
    )
    measures.set_checks([("kafka", False), ("store", True)])
    measures.set_outbox(12, 1.5)
    measures.set_lag({("saga.replies.v1", 4): 99})
    return measures


@pytest.fixture
def metrics(measures: Measures) -> Iterator[Metrics]:
    metrics = Metrics(measures, resource_from_environment(), scope(), lambda: 7)
    yield metrics
    metrics.stop(5)


def samples(text: bytes) -> dict[Sample, float]:
    """All samples of a text, as Prometheus' own parser reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_prometheus_reads_every_measure(metrics: Metrics) -> None:
    read = samples(metrics.text())
    saga = ("saga", "order-fulfilment")

    assert read["saga_instances", (saga, ("status", "running"))] == 3
    assert read["saga_instances", (saga, ("status", "stalled"))] == 1
    assert read["saga_transitions_total", (saga, ("signal", "start"), ("verdict", "applied"))] == 3
    assert read["saga_compensations_total", (saga, ("step", "charge-card"))] == 2
    assert read["saga_duration_seconds_count", (saga, ("status", "compensated"))] == 2
    assert read["saga_duration_seconds_count", (saga, ("status", "completed"))] == 1
    assert read["saga_duration_seconds_sum", (saga, ("status", "compensated"))] == pytest.approx(0.12)
    step = (("direction", "forward"), saga, ("step", "ship-order"))
    assert read["saga_step_duration_seconds_count", step] == 3
    assert read["saga_step_duration_seconds_bucket", tuple(sorted((*step, ("le", "0.025"))))] == 3
    assert read["saga_step_duration_seconds_bucket", tuple(sorted((*step, ("le", "0.01"))))] == 0
    assert read["saga_step_duration_seconds_bucket", tuple(sorted((*step, ("le", "+Inf"))))] == 3
    command = (("direction", "forward"), saga, ("step", "charge-card"))
    assert read["saga_commands_unanswered", command] == 5
    assert read["saga_commands_unanswered_age_seconds", command] == 120
    assert read["saga_paused", (saga,)] == 2
    assert (read["saga_timers_overdue", ()], read["saga_unreadable", ()]) == (4, 1)
    assert (read["saga_dead_letters_waiting", ()], read["saga_parked", ()]) == (6, 3)
    assert (read["saga_database_size_bytes", ()], read["saga_database_wal_size_bytes", ()]) == (8192, 4096)
    assert (read["saga_check_ok", (("check", "kafka"),)], read["saga_check_ok", (("check", "store"),)]) == (0, 1)
    assert read["saga_outbox_pending", ()] == 12
    assert read["saga_outbox_age_seconds", ()] == 1.5
    assert read["saga_consumer_lag", (("partition", "4"), ("topic", "saga.replies.v1"))] == 99
    assert read["saga_spans_dropped_total", ()] == 7
    assert read["process_cpu_time_seconds_total", ()] > 0


def test_no_instance_is_ever_a_label(metrics: Metrics) -> None:
    labels = {name for _, given in samples(metrics.text()) for name, _ in given}
    values = {value for name, given in samples(metrics.text()) for _, value in given if name.startswith("saga_")}

    assert labels - {"service_name", "service_version", "service_instance_id"} <= {
        "saga", "status", "signal", "verdict", "step", "direction", "topic", "partition", "le", "check",
        "telemetry_sdk_language", "telemetry_sdk_name", "telemetry_sdk_version",
    }  # fmt: skip
    assert not [value for value in values if re.search(r"[0-9a-f]{8}-|o-\d", value)]


def test_a_removed_gauge_is_not_exported(metrics: Metrics, measures: Measures) -> None:
    assert b'partition="4"' in metrics.text()

    measures.set_lag({})

    assert b'partition="4"' not in metrics.text()


def test_reading_twice_at_once_gives_everything_to_both(metrics: Metrics) -> None:
    texts: list[bytes] = []
    threads = [Thread(target=lambda: texts.extend(metrics.text() for _ in range(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {len(samples(text)) for text in texts} == {len(samples(metrics.text()))}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{running.url}/v1/metrics")
        yield running


def test_a_collector_gets_the_same_by_otlp(collector: Collector, measures: Measures) -> None:
    Metrics(measures, resource_from_environment(), scope(), lambda: 0).stop(5)

    (point, *_) = collector.measured["saga.duration"].histogram.data_points
    assert {each.key: each.value.string_value for each in point.attributes} == {
        "saga": "order-fulfilment",
        "status": "compensated",
    }
    assert (point.count, sum(point.bucket_counts), len(point.bucket_counts)) == (2, 2, len(BOUNDS) + 1)
    assert list(point.explicit_bounds) == list(BOUNDS)
    assert (point.min, point.max) == (pytest.approx(0.06), pytest.approx(0.06))
    assert collector.measured["saga.duration"].unit == "s"
    assert sum(each.as_int for each in collector.measured["saga.transitions"].sum.data_points) == 17
    assert collector.measured["saga.outbox.pending"].gauge.data_points[0].as_int == 12


def test_without_an_endpoint_nothing_is_exported(collector: Collector, measures: Measures) -> None:
    with pytest.MonkeyPatch.context() as without:
        without.delenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
        Metrics(measures, resource_from_environment(), scope(), lambda: 0).stop(5)

    assert collector.metrics == []
