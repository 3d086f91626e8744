"""Kafka is missing, stops or freezes: the service runs and reports it, loses nothing, and can be stopped."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, cast

import pytest

from saga_coordinator.service.demo.audit import audit
from saga_coordinator.service.demo.ledger import read_ledgers
from tests.acceptance._support import evidence
from tests.acceptance._support.disk import Trouble, locked
from tests.acceptance._support.processes import SHORT_TIMEOUTS, STOP_WITHIN_S, Participants, Serve
from tests.acceptance._support.shop import Shop
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka
from tests.unit.telemetry._support.collector import collecting

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

READY_AGAIN_WITHIN_S: Final = 10.0
NOTICED_WITHIN_S: Final = 15.0
LONGER_THAN_ALL_RETRIES_S: Final = 45.0
"""A compensation of the catalog with short timeouts is retried for this long, and then stalls."""

PROMPT: Final = MappingProxyType({"think_time_s": 0.05})
COMPENSATING_ORDERS: Final = MappingProxyType({"think_time_s": 0.05, "declines": {"ship-order": 0.9}})
MORE_WORK: Final = 50
"""Rows of history that show that the service is in the middle of its work."""


class Outage(NamedTuple):
    """How Kafka goes away, and how it comes back."""

    begin: Callable[[JavaKafka], None]
    end: Callable[[JavaKafka], None]


OUTAGES: Final = {
    "frozen": Outage(JavaKafka.pause, JavaKafka.resume),
    "stopped": Outage(JavaKafka.stop, JavaKafka.restart),
}


class Business(NamedTuple):
    """A service, its participants, and a shop that keeps them busy."""

    serve: Serve
    participants: Participants
    shop: Shop


def test_without_kafka_it_lives_and_says_so_and_it_works_soon_after_kafka_comes_i34(
    own_kafka: JavaKafka, tmp_path: Path
) -> None:
    recreate_topics(own_kafka)
    own_kafka.stop()
    with ExitStack() as ending:
        business = opened(ending, own_kafka, tmp_path)
        business.serve.start(ready=False)
        until(lambda: is_not_ready(business.serve), "/readyz says that Kafka is not there")
        assert status(business.serve, "/livez") == 200
        assert status(business.serve, "/startupz") == 503
        assert status(business.serve, "/metrics") == 200

        own_kafka.restart()
        business.serve.is_ready_within(READY_AGAIN_WITHIN_S)
        assert status(business.serve, "/startupz") == 200
        business.participants.start()
        business.shop.start()
        nothing_was_lost(business)


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_when_kafka_goes_away_it_is_not_ready_and_loses_nothing_i34(
    own_kafka: JavaKafka, tmp_path: Path, outage: Outage
) -> None:
    recreate_topics(own_kafka)
    with ExitStack() as ending:
        business = at_work(ending, own_kafka, tmp_path, SAGA_KAFKA__REQUEST_TIMEOUT="2")
        outage.begin(own_kafka)
        until(lambda: is_not_ready(business.serve), "/readyz says that Kafka is gone", NOTICED_WITHIN_S)
        assert status(business.serve, "/livez") == 200
        outage.end(own_kafka)
        business.serve.is_ready_within(READY_AGAIN_WITHIN_S)
        nothing_was_lost(business)


@pytest.mark.timeout(300)
def test_an_outage_longer_than_all_retries_stalls_nothing(own_kafka: JavaKafka, tmp_path: Path) -> None:
    recreate_topics(own_kafka)
    with ExitStack() as ending:
        business = at_work(ending, own_kafka, tmp_path, behaviour=COMPENSATING_ORDERS, SAGA_KAFKA__REQUEST_TIMEOUT="2")
        own_kafka.stop()
        time.sleep(LONGER_THAN_ALL_RETRIES_S)  # the fault itself: nothing can be awaited
        store = business.serve.store
        asked_again = evidence.rows(store, "SELECT count(*) FROM history WHERE kind = 'wake' AND value IS NOT NULL")
        assert asked_again != [(0,)], "no time was over for what could not leave: it shows nothing"
        own_kafka.restart()
        nothing_was_lost(business)
        assert evidence.rows(store, "SELECT correlation FROM instance WHERE status = 'stalled'") == []


@pytest.mark.parametrize("database", [nullcontext, locked], ids=["there", "locked"])
def test_it_stops_with_kafka_and_collector_frozen_and_reports_what_it_leaves_i35(
    own_kafka: JavaKafka, tmp_path: Path, database: Trouble
) -> None:
    recreate_topics(own_kafka)
    with ExitStack() as ending:
        collector = ending.enter_context(collecting())
        business = at_work(ending, own_kafka, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        assert business.participants.stop() == 0  # their answers, or their absence, are not what this is about
        collector.open.clear()
        own_kafka.pause()
        before = last_in_outbox(business.serve)
        until(lambda: last_in_outbox(business.serve) > before, "the outbox has a message that Kafka cannot accept")
        with database(business.serve.store):
            assert business.serve.stop(within=STOP_WITHIN_S) == 1
        assert "they are safe in the outbox" in business.serve.log
        assert evidence.count(business.serve.store, "outbox") > 0

        collector.open.set()
        own_kafka.resume()
        business.serve.start()
        business.participants.start()
        nothing_was_lost(business)


def test_it_stops_well_with_kafka_frozen_and_an_empty_outbox_i35(own_kafka: JavaKafka, tmp_path: Path) -> None:
    recreate_topics(own_kafka)
    with Serve(tmp_path, own_kafka.bootstrap_servers) as serve:
        serve.start()
        own_kafka.pause()
        assert serve.stop(within=STOP_WITHIN_S) == 0


def test_it_ends_well_when_it_has_never_reached_kafka(own_kafka: JavaKafka, tmp_path: Path) -> None:
    own_kafka.pause()
    with Serve(tmp_path, own_kafka.bootstrap_servers) as serve:
        serve.start(ready=False)
        until(lambda: is_not_ready(serve), "/readyz says that Kafka is not there")
        assert serve.stop(within=STOP_WITHIN_S) == 0


def opened(
    ending: ExitStack, kafka: JavaKafka, folder: Path, behaviour: Mapping[str, object] = PROMPT, **variables: str
) -> Business:
    """Make everything ready to be started; nothing of it outlives the test."""
    address = kafka.bootstrap_servers
    return Business(
        ending.enter_context(Serve(folder, address, SAGA_CATALOG=SHORT_TIMEOUTS, **variables)),
        ending.enter_context(Participants(folder, address, behaviour)),
        ending.enter_context(Shop(folder, address, mix={}, window=10, seed=3)),
    )


def at_work(
    ending: ExitStack, kafka: JavaKafka, folder: Path, behaviour: Mapping[str, object] = PROMPT, **variables: str
) -> Business:
    """Start everything, and wait until the service is in the middle of its work."""
    business = opened(ending, kafka, folder, behaviour, **variables)
    for each in business:
        each.start()
    is_at_work(business.serve)
    return business


def nothing_was_lost(business: Business) -> None:
    """The service is at work, every order gets its one outcome, and the ledgers agree with it."""
    is_at_work(business.serve)
    business.shop.close(within=150)
    assert business.serve.stop() == business.participants.stop() == 0
    journal = business.shop.journal
    found = audit(read_ledgers(business.participants.ledgers), journal.outcomes, journal.placed)
    assert found.violations == ()


def is_at_work(serve: Serve) -> None:
    """Wait until the service has done something more."""
    before = evidence.count(serve.store, "history")
    until(lambda: evidence.count(serve.store, "history") >= before + MORE_WORK, "the service is at work", 60)


def last_in_outbox(serve: Serve) -> int:
    """Return the number of the last message in the outbox; numbers increase, and rows are deleted when acknowledged."""
    [(number,)] = cast("list[tuple[int | None]]", evidence.rows(serve.store, "SELECT max(seq) FROM outbox"))
    return number or 0


def is_not_ready(serve: Serve) -> bool:
    answer = serve.get("/readyz")
    return answer is not None and answer.status == 503 and "kafka" in answer.body.lower()


def status(serve: Serve, path: str) -> int | None:
    answer = serve.get(path)
    return None if answer is None else answer.status
