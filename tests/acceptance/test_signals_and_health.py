"""The process and its supervisor: signals stop it cleanly, and its HTTP port reports its health."""

import signal
from pathlib import Path
from typing import Final

import pytest

from saga_coordinator.service.demo.audit import audit
from saga_coordinator.service.demo.ledger import read_ledgers
from tests.acceptance._support import evidence
from tests.acceptance._support.processes import SHORT_TIMEOUTS, STOP_WITHIN_S, Participants, Serve
from tests.acceptance._support.shop import Shop
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka

pytestmark = pytest.mark.kafka

WINDOW: Final = 50
AT_WORK: Final = 300
"""Rows of history after which the service is in the middle of its work."""


@pytest.fixture
def kafka(orders_kafka: JavaKafka) -> JavaKafka:
    """The shared Kafka, with empty topics."""
    recreate_topics(orders_kafka)
    return orders_kafka


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_drains_and_what_is_left_is_done_after_the_next_start(
    kafka: JavaKafka, tmp_path: Path, number: signal.Signals
) -> None:
    address = kafka.bootstrap_servers
    with (
        Serve(tmp_path, address, SAGA_CATALOG=SHORT_TIMEOUTS) as serve,
        Participants(tmp_path, address, {}) as participants,
        Shop(tmp_path, address, mix={}, window=WINDOW, seed=1) as shop,
    ):
        for each in (serve, participants, shop):
            each.start()
        until(lambda: evidence.count(serve.store, "history") > AT_WORK, "the service is at work")
        serve.send(number)
        assert serve.ended(within=STOP_WITHIN_S) == 0
        assert [line["event"] for line in serve.objects()][-2:] == ["draining", "drained"]
        assert evidence.count(serve.store, "outbox") == 0

        serve.start()
        shop.close(within=60)
        assert serve.stop() == participants.stop() == 0
    journal = shop.journal
    assert audit(read_ledgers(participants.ledgers), journal.outcomes, journal.placed).violations == ()


def test_its_port_says_that_it_lives_has_started_is_ready_and_what_it_has_measured(
    kafka: JavaKafka, tmp_path: Path
) -> None:
    address = kafka.bootstrap_servers
    with (
        Serve(tmp_path, address) as serve,
        Participants(tmp_path, address, {"declines": {}}) as participants,
        Shop(tmp_path, address, mix={}, orders=5, seed=2) as shop,
    ):
        serve.start()
        participants.start()
        shop.start()
        shop.ends(within=30)
        for path in ("/livez", "/startupz", "/readyz"):
            answer = serve.get(path)
            assert answer is not None
            assert answer.status == 200, answer
        until(lambda: "saga_outbox_pending 0.0" in measured(serve), "nothing is pending any more")
        assert 'saga_duration_seconds_count{saga="order-fulfilment",status="completed"} 5.0' in measured(serve)
        assert serve.stop() == participants.stop() == 0
        assert serve.get("/livez") is None


def measured(serve: Serve) -> str:
    answer = serve.get("/metrics")
    assert answer is not None
    assert answer.status == 200
    return answer.body
