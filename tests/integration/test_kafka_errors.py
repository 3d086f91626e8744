"""Every request that the service makes of Kafka meets every error: all orders end, nothing is lost, nothing differs."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from saga_coordinator.service.kafka import consumer
from saga_coordinator.service.kafka import partitions as assignment
from tests.integration._support.kafka_errors import CODES, Code
from tests.integration._support.meeting import check, meets
from tests.integration._support.two_brokers import scene
from tests.support.kafka.faulty_broker import ApiKey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BURST: Final = 3
AT_ONE_SERVICE: Final = 4
SERVICES_AT_ONCE: Final = 24


class Met(NamedTuple):
    """Errors that a service met, and the seconds until all was well again."""

    seconds: float
    what: str


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service do more often what it does now and then, so that errors of it are met sooner."""
    monkeypatch.setattr(consumer, "COMMIT_INTERVAL", 0.2)
    monkeypatch.setattr(consumer, "MONITOR_INTERVAL", 0.3)
    monkeypatch.setattr(assignment, "REBALANCE_SETTLE_SECONDS", 0.3)


async def test_any_error_of_any_request_is_lived_through_single_and_in_bursts(tmp_path: Path) -> None:
    """Side by side, for most of the time is waited; each service meets a few errors, one after the other."""
    at_once = asyncio.Semaphore(SERVICES_AT_ONCE)
    lived = await asyncio.gather(
        *(lives_through(at_once, tmp_path / f"{number}.db", *share) for number, share in enumerate(shares())),
        return_exceptions=True,
    )
    if failed := [failure for failure in lived if isinstance(failure, BaseException)]:
        raise BaseExceptionGroup(f"{len(failed)} of {len(lived)} services", failed)
    met = [each for some in lived if not isinstance(some, BaseException) for each in some]
    assert len(met) == 2 * sum(map(len, CODES.values()))
    print(f"\n{len(met)} errors of {len(CODES)} requests; {max(met).what} took {max(met).seconds:.1f} s")  # noqa: T201  the figure


def shares() -> Iterator[tuple[ApiKey, Sequence[Code]]]:
    """Yield the errors in shares that one service is to meet."""
    for api, codes in CODES.items():
        left = iter(codes)
        while share := tuple(islice(left, AT_ONE_SERVICE)):
            yield api, share


async def lives_through(at_once: asyncio.Semaphore, path: Path, api: ApiKey, codes: Sequence[Code]) -> Sequence[Met]:
    """Let one service meet each of these errors, once and in a burst, with an order for each time."""
    met = []
    async with at_once, scene(path) as here:
        for code in codes:
            for errors in ([code], [code] * BURST):
                begun = time.monotonic()
                await meets(here, api, errors, f"{code.name} {len(errors)}")
                met.append(Met(time.monotonic() - begun, f"{len(errors)} x {api.name} {code.name}"))
        await check(here)
    return met
