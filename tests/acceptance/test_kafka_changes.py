"""Kafka changes, or the service sleeps, while orders are on their way: nothing is lost and nothing is done twice."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports them all, and does not say so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from service.kafka.java import JavaKafka
from tests.acceptance.business import Business, business_on
from tests.acceptance.topics import make_topics_anew

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

SESSION_TIMEOUT_S: Final = 6
"""The least that a broker grants."""

PATIENT: Final = {"SAGA_KAFKA__SESSION_TIMEOUT": str(SESSION_TIMEOUT_S)}
SHIPPING, ORDERS, REPLIES = "shipping.commands.v1", "orders.events.v1", "saga.replies.v1"


@pytest.fixture
def shop(shared_kafka: JavaKafka, tmp_path: Path) -> Iterator[Business]:
    """A service at work on topics of its own."""
    make_topics_anew(shared_kafka)
    with business_on(shared_kafka.bootstrap_servers, tmp_path, variables=PATIENT) as shop:
        shop.order(100)
        shop.is_at_work()
        yield shop


def test_one_that_was_frozen_for_twice_its_session_comes_back_and_goes_on(shop: Business) -> None:
    shop.serve.send(signal.SIGSTOP)
    time.sleep(2 * SESSION_TIMEOUT_S)  # the fault itself: nothing can be awaited
    shop.serve.send(signal.SIGCONT)
    shop.is_at_work()
    shop.serve.is_ready_within(30)
    shop.order(20)
    shop.ends()


def test_a_topic_that_takes_only_small_records_is_named_and_all_leaves_when_it_takes_larger_ones(
    shop: Business,
) -> None:
    limit(shop, SHIPPING, "100")
    shop.is_not_ready(SHIPPING, "MessageSizeTooLargeError", "raise max.message.bytes")
    limit(shop, SHIPPING, "1048588")
    shop.serve.is_ready_within(30)
    shop.ends()


def limit(shop: Business, topic: str, most_bytes: str) -> None:
    """Let a topic take no larger batch than this."""
    entry = ConfigEntry("max.message.bytes", most_bytes, incremental_operation=AlterConfigOpType.SET)
    admin = admin_of(shop)
    for altered in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    ).values():
        altered.result()


def admin_of(shop: Business) -> AdminClient:
    return AdminClient({"bootstrap.servers": shop.address})
