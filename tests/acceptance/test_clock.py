"""The clock of the service steps by an hour, and back, under load: nothing is lost and nothing is sent twice (I21)."""

from pathlib import Path
from typing import Final, cast

import pytest

from tests.acceptance._support import evidence
from tests.acceptance._support.accounts import CHECKS
from tests.acceptance._support.fake_clock import FakeClock
from tests.acceptance._support.load import Scene, under_load
from tests.acceptance._support.seeds import seeded
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

HOUR: Final = 3600
STEPS: Final = {
    "ahead, true, an hour later": (HOUR, 0, HOUR),
    "behind, true": (-HOUR, 0),
}
"""After the clock is correct again, some instances wait an hour for a timer that was set too late."""

WINDOW: Final = 20
"""Orders in flight: as many come as the machine completes."""

BETWEEN_STEPS: Final = 200
"""Rows of history: some 30 orders."""

ABOUT_S: Final = 60
MICROSECONDS: Final = 1_000_000

LAST_START: Final = "SELECT started_at FROM instance ORDER BY number DESC LIMIT 1"
FIRED: Final = "SELECT count(*) FROM history WHERE kind = 'wake'"
LATE: Final = "SELECT count(*) FROM instance WHERE wake_at > CAST(? AS INTEGER)"


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_clock_that_steps_by_an_hour_loses_nothing_and_sends_nothing_twice_i21(
    shared_kafka: JavaKafka, tmp_path: Path, steps: tuple[int, ...]
) -> None:
    clock = FakeClock(tmp_path)
    with under_load(shared_kafka, tmp_path, seeded(), window=WINDOW) as scene:
        assert scene.serve.stop() == 0
        scene.serve.variables.update(clock.variables)
        scene.serve.start()
        before = 0
        for after in steps:
            scene.wait_for(evidence.count(scene.serve.store, "history") + BETWEEN_STEPS)
            scene.make_noise()
            is_set(scene, clock, before, after)
            before = after
    assert scene.left is not None
    for check in CHECKS:
        check(scene.left)


def is_set(scene: Scene, clock: FakeClock, before: int, after: int) -> None:
    """Set the clock, and check that the service uses it: timers fire at once, or an hour too late."""
    fired = asked(scene, FIRED)
    clock.set(after)
    until(lambda: abs(asked(scene, LAST_START) / MICROSECONDS - clock.now) < ABOUT_S, f"orders start {after} s ahead")
    if after > before:
        until(lambda: asked(scene, FIRED) > fired, "what is due has fired")
    else:
        late = str(round((clock.now + HOUR / 2) * MICROSECONDS))
        until(lambda: asked(scene, LATE, late), "an instance waits for a timer that was set before the clock changed")


def asked(scene: Scene, sql: str, *parameters: str) -> int:
    """Ask the service's database for a number."""
    [(number,)] = cast("list[tuple[int]]", evidence.rows(scene.serve.store, sql, *parameters))
    return number
