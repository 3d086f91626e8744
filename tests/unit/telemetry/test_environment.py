"""The OTEL_* variables are honoured."""

import pytest

from saga_coordinator.service.telemetry.environment import (
    BatchLimits,
    ExportKind,
    batch_limits_from_environment,
    endpoint,
    resource_from_environment,
    unsupported,
)


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({}, None, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces", "http://c:4318/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c/x/"}, "http://c/x/v1/traces", "http://c/x/v1/metrics"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/t"}, "http://c/t", None),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/m"}, None, "http://c/m"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"},
            None,
            "http://c/v1/metrics",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_METRICS_EXPORTER": "none"},
            "http://c/v1/traces",
            None,
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"}, None, None),
    ],
)
def test_what_is_exported_to_where(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], traces: str | None, metrics: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert (endpoint(ExportKind.TRACES), endpoint(ExportKind.METRICS)) == (traces, metrics)


def test_the_service_has_a_name_and_a_version() -> None:
    attributes = resource_from_environment().attributes

    assert attributes is not None
    assert (attributes["service.name"], attributes["service.version"]) == ("saga-coordinator", "0.1.0")


def test_an_operator_names_the_service_and_adds_what_is_worth_knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "orders")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=7")

    attributes = resource_from_environment().attributes

    assert attributes is not None
    assert attributes["service.name"] == "orders"
    assert attributes["service.version"] == "7"
    assert attributes["deployment.environment.name"] == "test"


def test_the_portions_are_those_of_the_batch_span_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch_limits_from_environment() == BatchLimits()

    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")

    assert batch_limits_from_environment() == BatchLimits(queue=100, batch=100, delay=0.05)


def test_a_portion_that_is_no_number_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")

    with pytest.raises(ValueError, match="OTEL_BSP_MAX_QUEUE_SIZE='many' is not a positive whole number"):
        batch_limits_from_environment()


def test_an_unsupported_variable_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(unsupported()) == []

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp,console")

    assert list(unsupported()) == [
        (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc is not supported: "
            "set http/protobuf, and the endpoint to the collector's HTTP port (4318)"
        ),
        "OTEL_METRICS_EXPORTER=console is not supported: set otlp or none",
    ]
