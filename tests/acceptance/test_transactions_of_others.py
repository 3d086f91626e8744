"""Producers with transactions leave markers in the logs: the markers delay no timer, and are explained."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.acceptance._support import evidence
from tests.acceptance._support.foreign_client import ORDERS, PLACED, order_fields
from tests.acceptance._support.processes import SHORT_TIMEOUTS, Serve
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_a_log_that_ends_with_a_marker_is_caught_up_with_and_its_gaps_are_explained_i11_i20(
    shared_kafka: JavaKafka, tmp_path: Path
) -> None:
    recreate_topics(shared_kafka)
    address = shared_kafka.bootstrap_servers
    with Serve(tmp_path, address, SAGA_CATALOG=SHORT_TIMEOUTS) as serve:
        serve.start()
        shop = Producer({"bootstrap.servers": address, "transactional.id": str(uuid4())})
        shop.init_transactions(30)
        place(shop, "committed", is_kept=True)
        place(shop, "aborted", is_kept=False)
        until(lambda: evidence.count(serve.store, "instance") == 1, "the committed one has started")
        until(lambda: fired_timers(serve) > 0, "nobody answers, and a timer fires")
        serve.kill()
        before = fired_timers(serve)
        serve.start()
        until(lambda: fired_timers(serve) > before, "timers fire after the restart, too")
        assert evidence.rows(serve.store, "SELECT correlation FROM instance") == [("committed",)]

        [(topic, partition, offset)] = evidence.rows(
            serve.store, 'SELECT topic, partition, "offset" FROM history WHERE topic IS NOT NULL'
        )
        explained = serve.verb("explain", f"{topic}:{partition}:{int(str(offset)) + 1}", "--json")
        [marker] = json.loads(explained.stdout)
        assert marker["verdict"] in {"ignored", "not processed yet"}
        assert serve.stop() == 0


def test_an_open_transaction_counts_as_lag_and_is_named(shared_kafka: JavaKafka, tmp_path: Path) -> None:
    recreate_topics(shared_kafka)
    address = shared_kafka.bootstrap_servers
    with Serve(tmp_path, address, SAGA_CATALOG=SHORT_TIMEOUTS) as serve:
        serve.start()
        shop = Producer({"bootstrap.servers": address, "transactional.id": str(uuid4())})
        shop.init_transactions(30)
        begin(shop, "in an open transaction")
        until(lambda: sum(lags(serve)) == 1, "the record counts as lag")
        until(lambda: "for another producer's transaction" in readiness(serve), "readiness names it", within=60)
        shop.commit_transaction(30)
        serve.is_ready_within(20)
        until(lambda: evidence.count(serve.store, "instance") == 1, "it has started")
        assert serve.stop() == 0


def lags(serve: Serve) -> list[float]:
    """The lag of each partition."""
    answer = serve.get("/metrics")
    lines = answer.body.splitlines() if answer else []
    return [float(line.rpartition(" ")[2]) for line in lines if line.startswith("saga_consumer_lag{")]


def readiness(serve: Serve) -> str:
    answer = serve.get("/readyz")
    return "" if answer is None else answer.body


def begin(shop: Producer, order: str) -> None:
    """Place an order in a transaction of its own, and leave that open."""
    headers = {"ce_specversion": "1.0", "ce_id": str(uuid4()), "ce_source": "/shop", "ce_type": PLACED}
    shop.begin_transaction()
    shop.produce(ORDERS, json.dumps(order_fields(order)).encode(), "one key", headers={**headers})
    shop.flush(30)


def place(shop: Producer, order: str, *, is_kept: bool) -> None:
    """Place an order in a transaction of its own, and keep it or take it back."""
    begin(shop, order)
    if is_kept:
        shop.commit_transaction(30)
    else:
        shop.abort_transaction(30)


def fired_timers(serve: Serve) -> int:
    [(number,)] = evidence.rows(serve.store, "SELECT count(*) FROM history WHERE kind = 'wake'")
    return int(str(number))
