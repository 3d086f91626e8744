"""Two coordinators with catalogs and databases of their own on one broker."""

from dataclasses import replace
from pathlib import Path

import pytest

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from tests.integration._support.on_broker import PARTITIONS, TOPICS, Running, World, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import header

pytestmark = pytest.mark.slow

SHOP = replace(order_fulfilment, name="shop-orders")
ORDERS = tuple(f"o-{number}" for number in range(6))
OF_SHOP = dict.fromkeys(("shop.replies.v1", "shop.replies.v1-dlt", "shop.shop-orders.outcomes.v1"), PARTITIONS)
OF_BOTH = {"saga.shop-orders.outcomes.v1": PARTITIONS}


async def all_complete(*coordinators: Running) -> None:
    """Return when every order is completed at each coordinator."""
    for it in coordinators:
        done = [("completed", len(ORDERS))]
        await eventually(lambda: it.rows("SELECT status, count(*) FROM instance GROUP BY 1") == done, "completed")  # noqa: B023  awaited here


async def test_under_names_of_their_own_they_complete_everything_and_hear_nothing_of_each_other(tmp_path: Path) -> None:
    with FaultyBroker({**TOPICS, **OF_SHOP}) as broker:
        async with (
            World(broker) as world,
            serving(broker, tmp_path / "saga.db") as one,
            serving(broker, tmp_path / "shop.db", name="shop", saga=SHOP) as other,
        ):
            await world.order(*ORDERS)
            await all_complete(one, other)
            replied_to = {
                (header(row, "ce_source"), header(row, "ce_replyto")) for row in world.of("shipping.commands.v1")
            }
            assert replied_to == {
                ("/saga-coordinator/order-fulfilment", "saga.replies.v1"),
                ("/shop-coordinator/shop-orders", "shop.replies.v1"),
            }
            for it in (one, other):
                assert it.rows("SELECT * FROM verdict") == []
                assert it.rows("SELECT count(*) FROM dead_letter") == [(0,)]


async def test_on_one_reply_topic_by_mistake_they_complete_everything_and_dead_letter_nothing(tmp_path: Path) -> None:
    with FaultyBroker({**TOPICS, **OF_BOTH}) as broker:
        async with (
            World(broker) as world,
            serving(broker, tmp_path / "saga.db") as one,
            serving(broker, tmp_path / "shop.db", saga=SHOP) as other,
        ):
            await world.order(*ORDERS)
            await all_complete(one, other)
            for it in (one, other):
                assert it.rows("SELECT DISTINCT verdict FROM verdict") == [("unmatched",)]
                assert it.rows("SELECT count(*) FROM dead_letter") == [(0,)]
            assert [row for row in world.received if row.topic.endswith("-dlt")] == []
