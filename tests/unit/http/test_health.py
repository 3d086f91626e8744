"""Readiness depends on named checks; one that nobody has reported ok is failing."""

from datetime import UTC, datetime, timedelta

from saga_coordinator.service.health import NOT_REPORTED, Health

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Hand:
    """A clock that goes a minute with each look."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> datetime:
        self.looks += 1
        return NOON + timedelta(minutes=self.looks)


def test_a_check_that_was_not_reported_is_failing() -> None:
    health = Health(["kafka", "store"])
    health.started()
    health.ok("kafka")

    assert not health.is_ready
    assert [(check.name, check.is_ok, check.reason) for check in health.checks] == [
        ("kafka", True, None),
        ("store", False, NOT_REPORTED),
    ]


def test_it_is_ready_when_everything_is_set_up_and_every_check_holds() -> None:
    health = Health(["kafka"])
    health.ok("kafka")
    before = health.is_ready, health.is_started
    health.started()
    after = health.is_ready, health.is_started
    health.failing("kafka", "no connection to 127.0.0.1:9092")
    failing = health.is_ready, health.is_started

    assert (before, after, failing) == ((False, False), (True, True), (False, True))


def test_since_is_the_time_of_the_first_failure_not_of_the_last_report() -> None:
    health = Health(["kafka"], now=Hand())
    health.ok("kafka")
    health.failing("kafka", "no connection")
    began = health.checks[0].since
    health.failing("kafka", "still no connection")

    assert health.checks[0].since == began
    assert health.checks[0].reason == "still no connection"

    health.ok("kafka")
    assert health.checks[0].since > began


def test_a_check_may_be_named_by_its_first_report() -> None:
    health = Health()
    health.started()
    health.failing("store", "disk full")

    assert not health.is_ready
