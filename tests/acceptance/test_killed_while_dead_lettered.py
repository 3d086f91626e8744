"""The process dies while a record is dead-lettered, buffered, redriven or awaited: it is done once, or not yet (I24).

Orders know nothing of this; see `test_killed_at_every_place.py` for the places that they reach.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from saga_coordinator.contracts import Message
from saga_coordinator.sagas.machine import command_id, instance_id
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.acceptance._support import evidence, fragile_catalog
from tests.acceptance._support.processes import Serve
from tests.acceptance._support.until import until
from tests.support import saga_kit
from tests.support.failpoints import BESIDE_ORDERS, VARIABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVENTS, REPLIES = saga_kit.Begun.topic, "saga.replies.v1"
TOPICS: Final = (EVENTS, f"{EVENTS}-dlt", REPLIES, f"{REPLIES}-dlt", "made.commands.v1", "saga.made.outcomes.v1")
SOON: Final = {"SAGA_KAFKA__SESSION_TIMEOUT": "2", "SAGA_KAFKA__REQUEST_TIMEOUT": "2"}


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    folder = tmp_path_factory.mktemp("fragile")
    variables = {"SAGA_CATALOG": "tests.acceptance._support.fragile_catalog:catalog", **SOON}
    variables[fragile_catalog.VARIABLE] = str(folder / "broken")
    with (
        EmbeddedBroker(dict.fromkeys(TOPICS, 1)) as broker,
        Serve(folder, broker.bootstrap_servers, **variables) as serve,
    ):
        yield serve


@pytest.mark.parametrize("point", [f"{place}.{side}" for place in BESIDE_ORDERS for side in ("before", "after")])
def test_what_a_parked_instance_goes_through_happens_once_wherever_it_dies_i11_i24(serve: Serve, point: str) -> None:
    story = Story(serve, point)
    story.arm()
    for act in (story.begins, story.is_parked, story.fails_again, story.goes_on, story.is_paid, story.ends):
        act(again=False)
        if serve.exit_code is not None:
            story.rises()
            act(again=True)
    assert story.has_died, f"nothing reached {point}"
    signals = "SELECT kind, verdict FROM history JOIN instance ON number = instance WHERE id = ? ORDER BY seq"
    kinds = ("start", "park", "unpark", "answer", "answer", "happen", "answer")
    assert story.rows(signals) == [(kind, "applied") for kind in kinds]
    assert story.rows("SELECT status FROM instance WHERE id = ?") == [("completed",)]
    assert story.rows("SELECT action FROM dead_letter_audit WHERE instance_id = ? ORDER BY number") == [
        ("redriven, and failed again",),
        ("redriven",),
    ]
    for table in ("dead_letter", "parked", "awaited_event"):
        assert evidence.count(serve.store, table) == 0


class Story:
    """What happens to one instance. Each act ends when it was done, or the service has died."""

    def __init__(self, serve: Serve, point: str) -> None:
        self.has_died = False
        self._serve = serve
        self._point = point
        self._key = f"key-{uuid4()}"
        self._id = instance_id("made", self._key)
        self._broken = Path(serve.variables[fragile_catalog.VARIABLE])

    def arm(self) -> None:
        """Let the next life of the service end at the point."""
        self._broken.touch()
        self._serve.kill()
        self._start(f"{self._point}=kill")

    def rises(self) -> None:
        """Check that it has died at the point, and start it again."""
        assert self._serve.ended(1) == -signal.SIGKILL, self._serve.log[-2_000:]
        self.has_died = True
        self._start("")

    def begins(self, *, again: bool) -> None:
        if not again:
            self._say(EVENTS, saga_kit.Begun(key=self._key))
        self._until("SELECT 1 FROM instance WHERE id = ?")

    def is_parked(self, *, again: bool) -> None:
        if not again:
            self._answer("a")
            self._answer("b")
        self._until("SELECT 1 FROM dead_letter WHERE instance_id = ? AND parks = 1")
        self._until("SELECT 1 FROM parked WHERE instance_id = ?")

    def fails_again(self, *, again: bool) -> None:  # noqa: ARG002  it is asked for again
        self._redrive()
        self._until("SELECT 1 FROM dead_letter_audit WHERE instance_id = ?")

    def goes_on(self, *, again: bool) -> None:  # noqa: ARG002  it is asked for again
        self._broken.unlink(missing_ok=True)
        self._redrive()
        self._until("SELECT 1 FROM awaited_event WHERE instance_id = ?")

    def is_paid(self, *, again: bool) -> None:
        if not again:
            self._say(EVENTS, saga_kit.Paid(key=self._key, bill=f"bill of {self._key}"))
        self._until("SELECT 1 FROM instance WHERE id = ? AND json_extract(state, '$.steps.z') IS NOT NULL")

    def ends(self, *, again: bool) -> None:
        if not again:
            self._answer("z")
        self._until("SELECT 1 FROM instance WHERE id = ? AND status = 'completed'")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What the database has of this instance."""
        return evidence.rows(self._serve.store, sql, self._id) if evidence.count(self._serve.store, "lease") else []

    def _start(self, points: str) -> None:
        """Start it in a group of its own, so that it need not wait until the broker gives up the life before."""
        self._serve.variables.update({VARIABLE: points, "SAGA_KAFKA__GROUP": str(uuid4())})
        self._serve.start()

    def _until(self, sql: str) -> None:
        until(lambda: self.rows(sql) or self._serve.exit_code is not None, f"{sql}, or it has died at {self._point}")

    def _redrive(self) -> None:
        """Request a redrive without a result: a service that dies sends no response."""
        self._serve.verb("dead-letters", "redrive", "--instance", self._id, "--reason", "to see")

    def _answer(self, step: str) -> None:
        command = command_id(self._id, step, "forward", 1)
        self._say(REPLIES, saga_kit.Did(), ce_correlationid=self._id, ce_causationid=command)

    def _say(self, topic: str, message: Message, **headers: str) -> None:
        producer = Producer({"bootstrap.servers": self._serve.variables["SAGA_KAFKA__BOOTSTRAP_SERVERS"]})
        required = {
            "ce_specversion": "1.0",
            "ce_id": str(uuid4()),
            "ce_source": "/test",
            "ce_type": message.message_type,
        }
        producer.produce(topic, message.model_dump_json().encode(), self._key, headers={**required, **headers})
        assert producer.flush(30) == 0
