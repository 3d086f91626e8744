"""I20: a timer fires at most a second late under load, as a metric of the service shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance._support.business import Business, business_on
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

PATIENT = {"SAGA_KAFKA__SESSION_TIMEOUT": "6"}
"""The least that a broker grants."""
AT_MOST_S = "1.0"
MIN_FIRED = 100
"""Enough timers for a result; one order in three fires at least one."""


@pytest.fixture
def shop(shared_kafka: JavaKafka, tmp_path: Path) -> Iterator[Business]:
    """A service whose participants lose one reply in five: its timers fire while it is at work."""
    recreate_topics(shared_kafka)
    behaviour = {"think_time_s": 0.0, "lost_replies": {"*": 0.2}}
    with business_on(shared_kafka.bootstrap_servers, tmp_path, variables=PATIENT, behaviour=behaviour) as shop:
        yield shop


def test_under_load_no_timer_fires_more_than_a_second_late_i20(shop: Business) -> None:
    placing = shop.keep_ordering(window=300)
    until(lambda: fired(shop)["+Inf"] >= MIN_FIRED, f"{MIN_FIRED} timers have fired", 120)
    assert placing.exit_code is None, "it is under load all the time"
    late = fired(shop)
    assert late[AT_MOST_S] == late["+Inf"], late


def fired(shop: Business) -> dict[str, float]:
    """Return how many timers fired at most that late, by the bound in seconds."""
    answer = shop.serve.get("/metrics")
    assert answer is not None
    families = text_string_to_metric_families(answer.body)
    samples = [
        sample for family in families for sample in family.samples if sample.name == "saga_timer_lag_seconds_bucket"
    ]
    return {"+Inf": 0.0} | {sample.labels["le"]: sample.value for sample in samples}
