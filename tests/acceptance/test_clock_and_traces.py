"""What is around the service misbehaves: the clock jumps, nobody takes the traces. Orders end as if nothing were."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.business import business
from tests.telemetry.collector import collecting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LIBRARIES: Final = (
    Path(f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1"),
    Path("/usr/lib/faketime/libfaketime.so.1"),
)


@pytest.mark.parametrize("step", ["+3600", "-3600"], ids=["forward", "back"])
def test_a_clock_that_steps_by_an_hour_loses_nothing(tmp_path: Path, step: str) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    with business(tmp_path, **faked(clock)) as shop:
        shop.order(40)
        shop.is_at_work()
        clock.write_text(f"{step}\n")
        shop.order(20)
        shop.serve.is_ready_within(15)
        shop.ends()


@pytest.mark.parametrize("endpoint", ["silent", "missing"])
def test_traces_that_nobody_takes_change_nothing(tmp_path: Path, endpoint: str) -> None:
    with traces(endpoint) as url, business(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url) as shop:
        shop.order(60)
        shop.is_at_work()
        shop.serve.is_ready_within(1)
        shop.ends(within=30)


@contextmanager
def traces(kind: str) -> Iterator[str]:
    """A collector that takes what is sent and never answers, or an address where nobody listens."""
    if kind == "missing":
        yield "http://127.0.0.1:1"
        return
    with collecting() as collector:
        collector.open.clear()
        yield collector.url
        collector.open.set()


def faked(clock: Path) -> dict[str, str]:
    """Variables that give a process the clock that stands in a file; the monotonic one is left alone."""
    library = next((each for each in LIBRARIES if each.exists()), None)
    if library is None:
        pytest.skip("there is no libfaketime: apt-get install libfaketime")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
