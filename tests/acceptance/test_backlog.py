"""A backlog of any length is taken in with bounded memory. SAGA_TEST_BACKLOG=1000000 measures a longer one."""

import os
import time
from pathlib import Path
from typing import Final

import psutil
import pytest
from confluent_kafka import Producer

from tests.acceptance._support import evidence
from tests.acceptance._support.processes import Serve
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka
from tests.unit.handlers._support.order_log import EVENTS, Log

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(3600)]

BACKLOG: Final = int(os.environ.get("SAGA_TEST_BACKLOG", "50000"))
MOST_GROWTH_MB: Final = 400
"""What memory may grow by, whatever the length: instances that are remembered, a batch, what is not sent yet."""

SLOWEST_PER_S: Final = 200
MB: Final = 1 << 20


def test_a_backlog_is_taken_in_with_bounded_memory(orders_kafka: JavaKafka, tmp_path: Path) -> None:
    recreate_topics(orders_kafka)
    place(orders_kafka.bootstrap_servers, BACKLOG)
    with Serve(tmp_path, orders_kafka.bootstrap_servers) as serve:
        began = time.monotonic()
        serve.start()
        process = psutil.Process(next(each["pid"] for each in serve.objects() if "pid" in each))
        resident = [process.memory_info().rss]

        def is_done() -> bool:
            resident.append(process.memory_info().rss)
            time.sleep(0.2)
            return sum(evidence.next_offsets(serve.store).values()) >= BACKLOG

        until(is_done, "the backlog is taken in", BACKLOG / SLOWEST_PER_S)
        took = time.monotonic() - began
        grown = (max(resident) - resident[0]) / MB
        print(f"{BACKLOG} records in {took:.0f} s, {resident[0] / MB:.0f} MB + {grown:.0f} MB")  # noqa: T201  a figure
        assert grown < MOST_GROWTH_MB
        assert serve.stop() == 0
    assert evidence.count(serve.store, "instance") == BACKLOG


def place(address: str, orders: int) -> None:
    """Place orders, and let nobody answer for them."""
    producer, log = Producer({"bootstrap.servers": address, "linger.ms": 20}), Log()
    for number in range(orders):
        record = log.placed(f"o-{number}")
        headers: dict[str, str | bytes | None] = dict(record.headers)
        while True:
            try:
                producer.produce(EVENTS, record.value, record.key, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(60) == 0
