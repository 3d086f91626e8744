"""The process dies before and after each thing it does, under load, and nothing is lost or done twice (I24)."""

import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance._support.accounts import CHECKS
from tests.acceptance._support.load import Scene, under_load
from tests.acceptance._support.seeds import seeded
from tests.support.failpoints import BESIDE_ORDERS, ON_POSTGRES, PLACES, VARIABLE
from tests.support.kafka.java import JavaKafka
from tests.support.postgres.databases import Database

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

WINDOW: Final = 40
"""Orders in flight: while the service is down none is placed."""

RARE: Final = frozenset(
    {"take", "offset", "lease", "load", "hold", "release", "dead-letter", "verdict", "pg-take", "pg-lease", "pg-load"}
)
"""Places that one life of the process does not reach often."""

DIES_WITHIN_S: Final = 45.0
PARTS: Final = 3
"""The points are shared out among so many tests, which run side by side."""


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_and_nothing_is_done_twice_wherever_it_dies(
    own_kafka: JavaKafka, tmp_path: Path, part: int
) -> None:
    places = [place for place in PLACES if place not in BESIDE_ORDERS]
    survives(own_kafka, tmp_path, points_of(places)[part::PARTS])


@pytest.mark.postgres
def test_nothing_is_lost_and_nothing_is_done_twice_wherever_it_dies_on_postgres(
    own_kafka: JavaKafka, tmp_path: Path, database: Database
) -> None:
    survives(own_kafka, tmp_path, points_of(ON_POSTGRES), database)


def points_of(places: Iterable[str]) -> list[str]:
    """Before and after each place."""
    return [f"{place}.{side}" for place in places for side in ("before", "after")]


def survives(kafka: JavaKafka, folder: Path, points: list[str], database: Database | None = None) -> None:
    """Let the service die at each of the points, and check what is left in the end."""
    chance = seeded()
    chance.shuffle(points)
    with under_load(kafka, folder, chance, window=WINDOW, database=database) as scene:
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
