"""The process dies before and after each thing it does, under load, and nothing is lost or done twice (I24)."""

import signal
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance._support.accounts import CHECKS
from tests.acceptance._support.load import Scene, under_load
from tests.acceptance._support.seeds import seeded
from tests.support.failpoints import BESIDE_ORDERS, PLACES, VARIABLE
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

WINDOW: Final = 40
"""Orders in flight: while the service is down none is placed."""

RARE: Final = frozenset({"take", "offset", "lease", "load", "hold", "release", "dead-letter", "verdict"})
"""Places that one life of the process does not reach often."""

DIES_WITHIN_S: Final = 45.0
PARTS: Final = 3
"""The points are shared out among so many tests, which run side by side."""


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_and_nothing_is_done_twice_wherever_it_dies(
    own_kafka: JavaKafka, tmp_path: Path, part: int
) -> None:
    chance = seeded()
    places = [place for place in PLACES if place not in BESIDE_ORDERS]
    points = [f"{place}.{side}" for place in places for side in ("before", "after")][part::PARTS]
    chance.shuffle(points)
    with under_load(own_kafka, tmp_path, chance, window=WINDOW) as scene:
        for point in points:
            time = 1 if point.partition(".")[0] in RARE else chance.randint(1, 12)
            die_at(scene, f"{point}=kill@{time}")
        del scene.serve.variables[VARIABLE]
        scene.serve.start(ready=False)
    assert scene.left is not None
    for check in CHECKS:
        check(scene.left)


def die_at(scene: Scene, point: str) -> None:
    """Let the next life of the service end at a place."""
    serve = scene.serve
    serve.kill()
    serve.variables[VARIABLE] = point
    serve.start(ready=False)
    scene.make_noise()
    assert serve.ended(within=DIES_WITHIN_S) == -signal.SIGKILL, f"{point}: {serve.log[-2000:]}"
    scene.witness.look()
