"""Kafka changes, or the service sleeps, while orders are on their way: nothing is lost and nothing is done twice."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports them all, and does not say so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.acceptance._support import evidence
from tests.acceptance._support.business import Business, business_on
from tests.acceptance._support.foreign_client import ADDRESS, PLACED, Fields, order_fields
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

SESSION_TIMEOUT_S: Final = 6
"""The least that a broker grants."""

PATIENT: Final = {"SAGA_KAFKA__SESSION_TIMEOUT": str(SESSION_TIMEOUT_S)}
SHIPPING, ORDERS, REPLIES = "shipping.commands.v1", "orders.events.v1", "saga.replies.v1"


@pytest.fixture
def shop(shared_kafka: JavaKafka, tmp_path: Path) -> Iterator[Business]:
    """A service at work on topics of its own."""
    recreate_topics(shared_kafka)
    with business_on(shared_kafka.bootstrap_servers, tmp_path, variables=PATIENT) as shop:
        shop.keep_ordering()
        yield shop


def test_one_that_was_frozen_for_twice_its_session_comes_back_and_goes_on(shop: Business) -> None:
    shop.serve.freeze()
    time.sleep(2 * SESSION_TIMEOUT_S)  # the fault itself: nothing can be awaited
    shop.serve.send(signal.SIGCONT)
    shop.is_at_work()
    shop.serve.is_ready_within(30)
    shop.ends()


def test_a_topic_that_takes_only_small_records_is_named_and_all_leaves_when_it_takes_larger_ones(
    shop: Business,
) -> None:
    limit(shop.address, SHIPPING, "100")
    shop.is_not_ready(SHIPPING, "MessageSizeTooLargeError", "raise max.message.bytes")
    limit(shop.address, SHIPPING, "1048588")
    shop.serve.is_ready_within(30)
    shop.ends()


def test_a_command_larger_than_its_topic_takes_stalls_its_instance_and_no_other_waits_i29_i41(
    shared_kafka: JavaKafka, tmp_path: Path
) -> None:
    recreate_topics(shared_kafka)
    address = shared_kafka.bootstrap_servers
    limit(address, SHIPPING, "20000")
    with business_on(address, tmp_path, variables=PATIENT) as shop:
        place(address, order_fields("far-away", ship_to=ADDRESS | {"street": "x" * 30_000}))
        until(lambda: status(shop, "far-away") == "stalled", "the large one stalls")
        output = shop.serve.verb("why", "far-away").stdout
        assert "shipping.ship-order.v1 has 30" in output
        assert f"{SHIPPING} takes 20000: send a reference instead" in " ".join(output.split())
        small = shop.order(40)
        small.ends(within=60)
        shop.serve.is_ready_within(5)
        assert shop.serve.stop() == shop.participants.stop() == 0


def place(address: str, fields: Fields) -> None:
    """Place one order by hand."""
    producer = Producer({"bootstrap.servers": address})
    headers = {"ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_source": "/shop", "ce_type": PLACED}
    producer.produce(ORDERS, json.dumps(fields).encode(), fields["order_id"], headers={**headers})
    assert producer.flush(30) == 0


def status(shop: Business, order: str) -> object:
    found = evidence.rows(shop.serve.store, "SELECT status FROM instance WHERE correlation = ?", order)
    return found[0][0] if found else None


def limit(address: str, topic: str, most_bytes: str) -> None:
    """Let a topic take no larger batch than this."""
    entry = ConfigEntry("max.message.bytes", most_bytes, incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": address})
    for altered in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    ).values():
        altered.result()
