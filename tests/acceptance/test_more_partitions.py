"""Topics get more partitions: each is read from its beginning, whether the service was running meanwhile or not."""

from collections import Counter
from pathlib import Path
from typing import Final, cast

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]  # it exports them all

from saga_coordinator.service.demo.conversation import ORDERS
from saga_coordinator.service.kafka.connection import METADATA_MAX_AGE_S
from tests.acceptance._support import evidence
from tests.acceptance._support.accounts import CHECKS, INPUTS, Left
from tests.acceptance._support.business import business_on
from tests.acceptance._support.evidence import Partition
from tests.acceptance._support.load import under_load
from tests.acceptance._support.processes import Serve
from tests.acceptance._support.seeds import seeded
from tests.acceptance._support.shop import Shop
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

SHIPPING: Final = "shipping.commands.v1"
BEFORE, AFTER = 4, 6
NEW: Final = {(topic, partition) for topic in INPUTS for partition in range(BEFORE, AFTER)}

WINDOW: Final = 10
LATER_COUNT: Final = 60
SOON_S: Final = METADATA_MAX_AGE_S + 15.0


def test_they_are_read_whole_when_topics_grow_under_load_after_a_restart(
    shared_kafka: JavaKafka, tmp_path: Path
) -> None:
    with (
        under_load(shared_kafka, tmp_path, seeded(), window=WINDOW) as scene,
        Shop(tmp_path, scene.kafka.bootstrap_servers, mix={}, name="later", orders=LATER_COUNT, window=WINDOW) as later,
    ):
        scene.wait_for(100)
        assert scene.serve.stop() == 0
        scene.serve.start()  # a static member that returns is not informed that it leads the group
        scene.make_noise()
        grow(scene.kafka, *INPUTS, SHIPPING)
        assert scene.participants.stop() == 0
        scene.participants.start()
        later.start()  # it, and the participants, write to all partitions from now on
        until(lambda: taken(scene.serve) >= NEW, "the new partitions are read", SOON_S)
        later.ends(within=60)
    left = with_later(scene.left, later)
    assert {(each.topic, each.partition) for each in left.heard} >= NEW, "a new partition has no record"
    assert {each.partition for each in left.said if each.topic == SHIPPING} == set(range(BEFORE))
    for check in CHECKS:
        check(left)


def test_they_are_read_and_written_whole_when_topics_grew_while_it_was_down(
    shared_kafka: JavaKafka, tmp_path: Path
) -> None:
    recreate_topics(shared_kafka)
    address = shared_kafka.bootstrap_servers
    with business_on(address, tmp_path, variables={"SAGA_KAFKA__SESSION_TIMEOUT": "45"}) as shop:
        shop.keep_ordering()
        shop.serve.kill()
        grow(shared_kafka, *INPUTS, SHIPPING)
        shop.serve.start()
        shop.order(60)
        until(lambda: taken(shop.serve) >= NEW, "the new partitions are read")
        shop.ends()
    heard = [(each.topic, each.partition, each.offset) for each in evidence.published(address, INPUTS)]
    assert {(topic, partition) for topic, partition, _ in heard} >= {place for place in NEW if place[0] == ORDERS}
    assert judged(shop.serve) == Counter(heard)
    assert evidence.count(shop.serve.store, "outbox") == 0
    written = {each.partition for each in evidence.published(address, [SHIPPING])}
    assert written >= set(range(BEFORE, AFTER)), "no command went to a new partition"


def with_later(left: Left | None, later: Shop) -> Left:
    """Count the later shop's orders in."""
    assert left is not None
    left.placed.placed.update(later.journal.placed)
    left.placed.outcomes.extend(later.journal.outcomes)
    return left


def grow(kafka: JavaKafka, *topics: str) -> None:
    """Give topics more partitions."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for grown in admin.create_partitions([NewPartitions(topic, AFTER) for topic in topics]).values():
        grown.result()


def taken(serve: Serve) -> set[Partition]:
    """The partitions that the service has taken."""
    return set(cast("list[Partition]", evidence.rows(serve.store, "SELECT topic, partition FROM lease")))


def judged(serve: Serve) -> Counter[tuple[object, ...]]:
    """The places of which there is a verdict, each with how many."""
    return Counter(
        place
        for table in ("history", "verdict", "dead_letter", "held_event")
        for place in evidence.rows(
            serve.store,
            f'SELECT topic, partition, "offset" FROM {table} WHERE topic IS NOT NULL',  # noqa: S608  the tables above
        )
    )
