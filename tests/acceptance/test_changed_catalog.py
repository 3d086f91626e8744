"""The catalog reads other topics than before: the service finds its place in the group all the same, and reads them."""

from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Consumer, Producer

from saga_coordinator.handlers.routing import Routes
from saga_coordinator.service.catalog import load_catalog
from tests.acceptance._support import evidence
from tests.acceptance._support.evidence import Partition
from tests.acceptance._support.processes import Serve, saga
from tests.acceptance._support.topics import delete_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SERVED, WHOLE = "saga_coordinator.sagas.catalog:catalog", "tests.acceptance._support.whole_catalog:catalog"
SESSION_TIMEOUT_S: Final = 6
"""The least that a broker grants."""


@pytest.mark.parametrize("catalogs", [(SERVED, WHOLE), (WHOLE, SERVED, WHOLE)], ids=["more", "fewer, more"])
def test_what_the_next_catalog_reads_is_read_though_it_comes_back_at_once(
    shared_kafka: JavaKafka, tmp_path: Path, catalogs: tuple[str, ...]
) -> None:
    address = shared_kafka.bootstrap_servers
    delete_topics(shared_kafka)
    applied = saga("topics", "apply", SAGA_KAFKA__BOOTSTRAP_SERVERS=address, SAGA_CATALOG=WHOLE)
    assert applied.returncode == 0, applied.stderr
    with Serve(tmp_path, address, SAGA_KAFKA__SESSION_TIMEOUT=str(SESSION_TIMEOUT_S)) as serve:
        for catalog in catalogs:
            serve.variables["SAGA_CATALOG"] = catalog
            serve.start(ready=False)
            serve.is_ready_within(5 * SESSION_TIMEOUT_S)
            wanted = written(address, Routes(load_catalog(catalog)).topics_in)
            until(lambda: has_read(serve, wanted), f"what {catalog} reads is read")  # noqa: B023  called at once
            assert serve.stop() == 0


def written(address: str, topics: Collection[str]) -> Mapping[Partition, int]:
    """Write a record to each partition of some topics, and return their ends."""
    with closing(Consumer({"bootstrap.servers": address, "group.id": "a-stranger"})) as consumer:
        places = evidence.ends(consumer, topics)
        producer = Producer({"bootstrap.servers": address, "log_level": 0})
        for topic, partition in places:
            producer.produce(topic, b"noise", partition=partition)
        assert producer.flush(30) == 0
        return evidence.ends(consumer, topics)


def has_read(serve: Serve, wanted: Mapping[Partition, int]) -> bool:
    """Say whether partitions are done up to these ends."""
    done = evidence.next_offsets(serve.store)
    return all(done.get(place) == end for place, end in wanted.items())
