"""Whatever is killed under load, and however badly participants behave: nothing is lost and nothing is done twice."""

from pathlib import Path
from typing import Final

import pytest

from tests.acceptance._support.accounts import CHECKS
from tests.acceptance._support.load import Scene, under_load
from tests.acceptance._support.processes import READY_WITHIN_S, Serve
from tests.acceptance._support.seeds import seeded
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka
from tests.support.postgres.databases import Database

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

WINDOW: Final = 40
KILLS: Final = 5
RESTARTS: Final = 3
"""Of the broker alone: a client may lose itself at one in ten of them (decision 27)."""

UNDER_LOAD: Final = range(50, 900)
"""History rows after which something may be killed: an order writes some seven."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Database | None:
    """The database of the service: None for a file of its own."""
    if request.param == "sqlite":
        return None
    database = request.getfixturevalue("database")
    assert isinstance(database, Database)
    return database


def test_nothing_is_lost_and_nothing_is_done_twice_whatever_is_killed(
    own_kafka: JavaKafka, tmp_path: Path, store: Database | None
) -> None:
    """The service is killed five times and the broker once, each after so much work that chance decides."""
    chance = seeded()
    with under_load(own_kafka, tmp_path, chance, window=WINDOW, database=store) as scene:
        victims = ["service"] * (KILLS - 1)
        victims.insert(chance.randrange(KILLS), "broker")
        for victim, moment in zip(victims, sorted(chance.sample(UNDER_LOAD, len(victims))), strict=True):
            scene.wait_for(moment)
            scene.make_noise()
            if victim == "broker":
                kill_both(scene)
            else:
                kill(scene.serve)
            scene.witness.look()
    assert scene.left is not None
    for check in CHECKS:
        check(scene.left)


def test_nothing_is_lost_and_nothing_is_done_twice_when_the_broker_alone_is_killed(
    own_kafka: JavaKafka, tmp_path: Path
) -> None:
    chance = seeded()
    with under_load(own_kafka, tmp_path, chance, window=WINDOW) as scene:
        scene.wait_for(chance.choice(UNDER_LOAD))
        scene.serve.is_ready_within(READY_WITHIN_S)
        scene.make_noise()
        for _ in range(RESTARTS):
            scene.kafka.kill()
            scene.kafka.restart()
            scene.serve.is_ready_within(READY_WITHIN_S)
        assert vain(scene.serve), "nothing was to be sent meanwhile"
        assert [line["event"] for line in scene.serve.objects()].count("serving") == 1
    assert scene.left is not None
    for check in CHECKS:
        check(scene.left)


def kill(serve: Serve) -> None:
    serve.kill()
    serve.start(ready=False)


def kill_both(scene: Scene) -> None:
    """Kill the broker, then, after failed sends, the service; start the service first."""
    scene.serve.is_ready_within(READY_WITHIN_S)  # it may have been killed a moment ago
    scene.kafka.kill()
    until(lambda: vain(scene.serve) > 1, "the service has tried twice to send something")
    kill(scene.serve)
    scene.kafka.restart()


def vain(serve: Serve) -> int:
    """Return how often the service has reported a failed send."""
    return serve.log.count("were not acknowledged")
