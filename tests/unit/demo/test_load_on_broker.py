"""The shop on a broker, with a coordinator that only says what became of each order."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from saga_coordinator.service.demo.clients import FetchedRecord
from saga_coordinator.service.demo.conversation import CONFIRMED, ORDERS, OUTCOMES, REJECTED
from saga_coordinator.service.demo.load import LoadPlan, Shop
from saga_coordinator.service.demo.orders import Mix
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.unit.demo._support.hands import Hands

pytestmark = pytest.mark.slow


def verdict(record: FetchedRecord) -> str:
    return REJECTED if (record.key or b"").endswith(b"3") else CONFIRMED


def publish(hands: Hands, order: str, kind: str, message_id: str) -> None:
    hands.send(OUTCOMES, order, b"{}", {"ce_id": message_id.encode(), "ce_type": kind.encode()})


@contextmanager
def judged(broker: EmbeddedBroker, judge: Callable[[Hands, FetchedRecord], None]) -> Iterator[list[FetchedRecord]]:
    """While it lasts, every record on the orders' topic is handed to `judge`; yields all of them."""
    seen: list[FetchedRecord] = []
    stop = threading.Event()

    def listen() -> None:
        with Hands(broker.bootstrap_servers) as hands:
            hands.listen(ORDERS)
            while not stop.is_set():
                for record in hands.take():
                    seen.append(record)
                    judge(hands, record)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(20)


def decide(hands: Hands, record: FetchedRecord) -> None:
    if dict(record.headers)["ce_type"] == b"orders.order-placed.v1":
        order = (record.key or b"").decode()
        publish(hands, order, verdict(record), f"outcome of {order}")


def test_every_order_is_placed_once_and_its_outcome_counted_and_measured(broker: EmbeddedBroker) -> None:
    placed: list[str] = []
    load = Shop(broker.bootstrap_servers, LoadPlan(orders=60, seed=1, window=10, settle_s=0.1), on_placed=placed.append)
    with judged(broker, decide) as seen:
        report = load.run()

    assert len(seen) == len(set(placed)) == 60
    assert (report.orders, report.completed, report.compensated, report.missing) == (60, 54, 6, 0)
    assert (report.duplicates_of_outcome, report.second_outcomes) == (0, 0)
    assert 0 < report.p50_ms <= report.p99_ms
    assert report.sagas_per_s > 0
    assert list(load.journal.placed) == placed
    assert len(load.journal.outcomes) == 60


def test_no_more_orders_are_in_flight_than_the_window_holds(broker: EmbeddedBroker) -> None:
    open_orders = 0
    most = 0

    def opened(_order: str) -> None:
        nonlocal open_orders, most
        open_orders += 1
        most = max(most, open_orders)

    def closed(_outcome: object) -> None:
        nonlocal open_orders
        open_orders -= 1

    plan = LoadPlan(orders=40, seed=1, window=7, settle_s=0.0)
    with judged(broker, decide):
        Shop(broker.bootstrap_servers, plan, on_placed=opened, on_outcome=closed).run()

    assert most == 7


def test_an_open_loop_keeps_its_rate_whatever_becomes_of_the_orders(broker: EmbeddedBroker) -> None:
    times: list[float] = []
    plan = LoadPlan(orders=50, seed=1, per_s=100, patience_s=0.2, settle_s=0.0)

    report = Shop(broker.bootstrap_servers, plan, on_placed=lambda _: times.append(time.perf_counter())).run()

    assert report.missing == 50
    assert times[-1] - times[0] >= 0.48


def test_a_copy_of_an_outcome_and_a_second_one_are_counted_apart(broker: EmbeddedBroker) -> None:
    def twice(hands: Hands, record: FetchedRecord) -> None:
        order = (record.key or b"").decode()
        decide(hands, record)
        if order.endswith("1"):
            decide(hands, record)
        if order.endswith("2"):
            publish(hands, order, REJECTED, f"another outcome of {order}")

    with judged(broker, twice):
        report = Shop(broker.bootstrap_servers, LoadPlan(orders=10, seed=1, settle_s=1.0)).run()

    assert (report.duplicates_of_outcome, report.second_outcomes, report.missing) == (1, 1, 0)


def test_orders_without_outcome_are_missing_once_patience_ends(broker: EmbeddedBroker) -> None:
    def forget_one(hands: Hands, record: FetchedRecord) -> None:
        if not (record.key or b"").endswith(b"5"):
            decide(hands, record)

    with judged(broker, forget_one):
        report = Shop(broker.bootstrap_servers, LoadPlan(orders=10, seed=1, patience_s=1.0, settle_s=0.0)).run()

    assert (report.missing, report.completed + report.compensated) == (1, 9)


def test_outcomes_of_orders_of_another_shop_do_not_count(broker: EmbeddedBroker) -> None:
    def gossip(hands: Hands, record: FetchedRecord) -> None:
        publish(hands, "an order of somebody else", CONFIRMED, "x")
        decide(hands, record)

    with judged(broker, gossip):
        report = Shop(broker.bootstrap_servers, LoadPlan(orders=3, seed=1, settle_s=0.2)).run()

    assert (report.completed + report.compensated, report.second_outcomes) == (3, 0)


def test_duplicates_and_cancellations_go_out_beside_the_orders(broker: EmbeddedBroker) -> None:
    mix = Mix(duplicates=1.0, cancels=0.5, early_cancels=0.5, cancel_within_s=0.1)
    with judged(broker, decide) as seen:
        report = Shop(broker.bootstrap_servers, LoadPlan(orders=20, seed=1, mix=mix, settle_s=0.5)).run()

    kinds = [dict(record.headers)["ce_type"] for record in seen]
    assert kinds.count(b"orders.order-placed.v1") == 40
    assert kinds.count(b"orders.order-cancelled.v1") >= 10
    assert (report.missing, report.duplicates_of_outcome) == (0, 20)


def test_it_stops_when_stop_is_set(broker: EmbeddedBroker) -> None:
    stop = threading.Event()
    plan = LoadPlan(orders=1000, seed=1, window=5, settle_s=0.0)
    with judged(broker, decide):
        report = Shop(broker.bootstrap_servers, plan, on_outcome=lambda _: stop.set()).run(stop)

    assert 0 < report.orders < 1000


def test_once_closed_it_places_no_more_and_waits_for_the_outcomes(broker: EmbeddedBroker) -> None:
    load = Shop(broker.bootstrap_servers, LoadPlan(orders=1000, seed=1, window=5), on_outcome=lambda _: load.close())
    with judged(broker, decide):
        report = load.run()

    assert 5 <= report.orders < 1000
    assert report.missing == 0


def test_without_a_topic_for_outcomes_it_says_what_to_do() -> None:
    with EmbeddedBroker({ORDERS: 1}) as bare:
        load = Shop(bare.bootstrap_servers, LoadPlan(orders=1, seed=1, patience_s=0.5))
        with pytest.raises(RuntimeError, match=r"saga\.order-fulfilment\.outcomes\.v1.*saga topics apply"):
            load.run()
