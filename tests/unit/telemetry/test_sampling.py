"""The SDK's sampler decides which new traces are sampled."""

import pytest

from saga_coordinator.sagas.machine import instance_id
from saga_coordinator.service.telemetry.environment import sampler_from_environment

TRACES = [instance_id("order-fulfilment", f"o-{number}").replace("-", "") for number in range(4_000)]


def test_without_a_word_all_traces_are_sampled() -> None:
    assert all(map(sampler_from_environment(), TRACES))


def test_always_off_samples_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")

    assert not any(map(sampler_from_environment(), TRACES))


@pytest.mark.parametrize("name", ["traceidratio", "parentbased_traceidratio"])
@pytest.mark.parametrize("ratio", [0.05, 0.25, 0.75])
def test_a_ratio_is_kept_though_traces_have_the_ids_of_instances(
    monkeypatch: pytest.MonkeyPatch, name: str, ratio: float
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", str(ratio))

    sampled = sum(map(sampler_from_environment(), TRACES)) / len(TRACES)

    assert sampled == pytest.approx(ratio, abs=0.03)


def test_the_same_trace_is_always_decided_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")

    assert list(map(sampler_from_environment(), TRACES)) == list(map(sampler_from_environment(), TRACES))


def test_a_disabled_sdk_samples_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")

    assert not any(map(sampler_from_environment(), TRACES))
