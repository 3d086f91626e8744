"""A service under load: orders of every kind, participants that misbehave, records that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

from confluent_kafka import Producer

from saga_coordinator.service.demo.conversation import COMMAND_TOPICS
from saga_coordinator.service.demo.participants import GROUP
from tests.acceptance._support import evidence
from tests.acceptance._support.accounts import INPUTS, OUTPUTS, Left
from tests.acceptance._support.evidence import Partition
from tests.acceptance._support.processes import SHORT_TIMEOUTS, Participants, Serve
from tests.acceptance._support.shop import Shop
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka
from tests.support.postgres.databases import Database

UNREADABLE_EACH_TIME: Final = 6
"""Of each six records of noise on a topic three are no CloudEvent; three replies are no event that a saga wants."""

IMPATIENT: Final = {"SAGA_KAFKA__REQUEST_TIMEOUT": "2"}
"""So that what is sent while the broker is down counts as lost, and is sent again."""

BEHAVIOUR: Final = {
    "declines": {"reserve-stock": 0.03, "charge-card": 0.05, "review-fraud": 0.1, "ship-order": 0.1},
    "postpones": {"charge-card": 0.1, "notify-customer": 0.1, "release-stock": 0.1, "refund-card": 0.1},
    "lost_replies": {"*": 0.03},
    "duplicate_replies": {"*": 0.1},
    "late_replies": {"*": 0.02},
    "late_effects": {"*": 0.02},
    "late_by_s": 4.0,
    "think_time_s": 0.05,
}
MIX: Final = {"large": 0.1, "duplicates": 0.2, "cancels": 0.1, "early_cancels": 0.05, "cancel_within_s": 0.4}


AFTERWARDS: Final = 300
"""Rows of history that the service writes under load after the test has done its worst: some 40 orders."""


@dataclass
class Witness:
    """Looks at the offsets again and again: Kafka's never pass the database's, and neither goes back (I22)."""

    bootstrap_servers: str
    serve: Serve
    seen: dict[Partition, int] = field(default_factory=dict)

    def look(self) -> None:
        hints = evidence.committed(self.bootstrap_servers, self.serve.group, INPUTS)
        done = evidence.next_offsets(self.serve.used)
        assert {place: offset for place, offset in hints.items() if offset > done.get(place, 0)} == {}
        assert {place: offset for place, offset in self.seen.items() if offset > done.get(place, 0)} == {}
        self.seen = done


@dataclass
class Scene:
    """A run under load while it is in progress. `left` is its result after the end."""

    kafka: JavaKafka
    serve: Serve
    participants: Participants
    shop: Shop
    witness: Witness
    noises: int = 0
    left: Left | None = None

    def make_noise(self) -> None:
        """Send what cannot be read, and replies to commands that nobody sent."""
        make_noise(self.kafka.bootstrap_servers)
        self.noises += 1

    def wait_for(self, moment: int) -> None:
        """Wait until the service has done so much work."""
        until(partial(has_done, self.serve, moment), f"{moment} history rows", 60)


@contextmanager
def under_load(
    kafka: JavaKafka, folder: Path, chance: Random, *, window: int, database: Database | None = None
) -> Iterator[Scene]:
    """Place orders while the block goes on and a little longer, then wait until nothing moves any more, and stop.

    So many orders are in flight: as many come as the machine completes, however slow it is.
    """
    seed = chance.randrange(1 << 32)
    address = kafka.bootstrap_servers
    recreate_topics(kafka)
    with (
        Serve(folder, address, database, SAGA_CATALOG=SHORT_TIMEOUTS, **IMPATIENT) as serve,
        Participants(folder, address, BEHAVIOUR | {"seed": chance.randrange(1 << 32)}) as participants,
        Shop(folder, address, mix={**MIX}, settle=3, window=window, seed=seed) as shop,
    ):
        for each in (serve, participants, shop):
            each.start()
        scene = Scene(kafka, serve, participants, shop, Witness(address, serve))
        yield scene
        scene.wait_for(evidence.count(serve.used, "history") + AFTERWARDS)
        shop.close(within=240)
        wait_until_nothing_moves(address, serve)
        assert serve.stop() == 0
        assert participants.stop() == 0
        scene.witness.look()
        said, heard = evidence.published(address, OUTPUTS), evidence.published(address, INPUTS)
    unreadable = scene.noises * UNREADABLE_EACH_TIME
    scene.left = Left(unreadable, shop.journal, folder, serve.used, said, heard)


def make_noise(address: str) -> None:
    """Send what cannot be read, and replies to commands that nobody sent."""
    producer = Producer({"bootstrap.servers": address, "log_level": 0})
    stray = {"ce_specversion": "1.0", "ce_source": "/noise", "ce_type": "saga.done.v1"}
    stray |= {"ce_correlationid": str(uuid4()), "ce_causationid": str(uuid4())}
    for topic in INPUTS:
        for number in range(3):
            producer.produce(topic, b"noise", f"noise-{number}")
            producer.produce(topic, b"{}", f"noise-{number}", headers={**stray, "ce_id": str(uuid4())})
    assert producer.flush(30) == 0


def has_done(serve: Serve, moment: int) -> bool:
    return evidence.count(serve.used, "history") >= moment


def wait_until_nothing_moves(address: str, serve: Serve) -> None:
    """Wait until participants and service have done all that is there for them."""

    def nothing_moves() -> bool:
        carried_out = evidence.committed(address, GROUP, COMMAND_TOPICS)
        if evidence.lag(address, carried_out, COMMAND_TOPICS):
            return False
        return not evidence.lag(address, evidence.next_offsets(serve.used), INPUTS)

    until(nothing_moves, "participants and service have done all that is there for them", 60)
