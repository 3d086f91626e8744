"""The linter on lengths of time, limits and retries."""

from dataclasses import replace
from datetime import timedelta
from math import inf, nan

import pytest

from saga_coordinator.sagas import Retry, alternatives, delay, parallel, receive, series
from saga_coordinator.sagas.language.nodes import MAX_DURATION, ForEach, Node
from tests.support.saga_kit import HOUR, MINUTE, SECOND, Data, choice, compensatable, retriable, saga
from tests.unit.machine._support.unsound import (
    Settled,
    a,
    b,
    key_of,
    parcel,
    parcels,
    problems_of,
    problems_with,
    settled,
    ship,
)
from tests.unit.machine.test_lint import tomorrow

NOTHING, LESS = timedelta(0), timedelta(seconds=-1)
TOO_LONG = MAX_DURATION + timedelta(days=1)


# --- the whole


@pytest.mark.parametrize("version", [0, -1])
def test_versions_are_numbered_from_one(version: int) -> None:
    assert problems_with(version=version) == (f"it has version {version}: number versions from 1",)


@pytest.mark.parametrize("length", [TOO_LONG, timedelta.max])
def test_a_length_beyond_a_hundred_years_is_refused_with_step_and_field(length: timedelta) -> None:
    long = f"of {length}, longer than a hundred years: shorten it"
    assert problems_with(ship, deadline=length) == (f"it has a deadline {long}",)
    assert problems_of(compensatable("a", timeout=length)) == (f"step a has a timeout {long}",)
    assert problems_of(a, replace(settled, timeout=length)) == (f"receive settled has a timeout {long}",)
    assert problems_of(a, replace(settled, buffer_for=length)) == (f"receive settled has a buffer_for {long}",)
    assert problems_of(a, delay("calm", length)) == (f"delay calm has a length {long}",)


def test_a_hundred_years_are_accepted() -> None:
    saga(a, delay("calm", MAX_DURATION), ship, deadline=MAX_DURATION)


@pytest.mark.parametrize("version", [0, 2**31])
def test_a_version_that_no_database_stores_is_refused(version: int) -> None:
    assert problems_with(ship, version=version)[0] == f"it has version {version}: number versions from 1"


@pytest.mark.parametrize("deadline", [NOTHING, LESS])
def test_a_deadline_of_nothing_is_refused(deadline: timedelta) -> None:
    assert problems_with(ship, deadline=deadline)[0] == (
        f"it has a deadline of {deadline}: it must be longer than nothing"
    )


# --- timeouts


@pytest.mark.parametrize("timeout", [NOTHING, LESS])
def test_a_timeout_of_nothing_is_refused(timeout: timedelta) -> None:
    assert problems_of(compensatable("a", timeout=timeout)) == (
        f"step a has a timeout of {timeout}: it must be longer than nothing",
    )
    assert problems_of(a, replace(settled, timeout=timeout)) == (
        f"receive settled has a timeout of {timeout}: it must be longer than nothing",
    )


def test_a_hold_of_nothing_is_refused() -> None:
    assert problems_of(a, receive("settled", Settled, key=key_of, buffer_for=NOTHING)) == (
        "receive settled has a buffer_for of 0:00:00: it must be longer than nothing",
    )


def test_a_timeout_beyond_the_deadline_is_refused() -> None:
    assert problems_of(compensatable("a", timeout=2 * HOUR), deadline=HOUR) == (
        "step a has a timeout of 2:00:00, beyond the deadline of 1:00:00: shorten it",
    )
    assert problems_of(a, replace(settled, timeout=2 * HOUR), deadline=HOUR) == (
        "receive settled has a timeout of 2:00:00, beyond the deadline of 1:00:00: shorten it",
    )


def test_a_wait_after_the_pivot_may_be_longer_than_the_deadline() -> None:
    long = replace(settled, timeout=2 * HOUR)

    saga(ship, retriable("z", timeout=2 * HOUR), long, delay("rest", 2 * HOUR), deadline=HOUR)


# --- delays


@pytest.mark.parametrize("lasts", [NOTHING, LESS])
def test_a_delay_of_nothing_is_refused(lasts: timedelta) -> None:
    assert problems_of(a, delay("calm", lasts)) == (f"delay calm lasts {lasts}: it must be longer than nothing",)


def test_a_delay_with_no_end_or_with_two_is_refused() -> None:
    message = ("delay calm needs either a length or until=: give it one of them",)

    assert problems_of(a, delay("calm")) == message
    assert problems_of(a, delay("calm", MINUTE, until=tomorrow)) == message


def test_a_delay_beyond_the_deadline_is_refused() -> None:
    assert problems_of(a, delay("calm", 2 * HOUR), deadline=HOUR) == (
        "delay calm lasts 2:00:00, beyond the deadline of 1:00:00: shorten it",
    )


@pytest.mark.parametrize(
    "nodes",
    [
        (delay("x", 40 * MINUTE), a, delay("y", 30 * MINUTE)),
        (series(delay("x", 40 * MINUTE), delay("y", 30 * MINUTE)), a),
        (parallel(a, delay("x", 40 * MINUTE)), delay("y", 30 * MINUTE)),
        (choice("c", 0, delay("x", 40 * MINUTE), otherwise=(delay("x2", HOUR),)), delay("y", 30 * MINUTE), a),
        (alternatives(series(delay("x", 40 * MINUTE), a), delay("x2", HOUR), name="y-or"), delay("y", 30 * MINUTE)),
    ],
)
def test_delays_that_leave_no_way_to_the_pivot_in_time_are_refused(nodes: tuple[Node[Data], ...]) -> None:
    assert problems_of(*nodes, ship, delay("rest", HOUR), deadline=HOUR) == (
        "its delays before the pivot take 1:10:00, beyond the deadline of 1:00:00: shorten them",
    )


def test_delays_of_which_one_way_needs_none_leave_time_enough() -> None:
    saga(choice("c", 0, delay("x", 40 * MINUTE)), delay("y", 30 * MINUTE), a, deadline=HOUR)
    saga(a, delay("x", until=tomorrow), settled_within(HOUR), delay("y", HOUR), ship, deadline=HOUR)


def settled_within(timeout: timedelta) -> Node[Data]:
    return replace(settled, timeout=timeout)


# --- limits


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_lets_nothing_pass_is_refused(limit: int) -> None:
    node = ForEach(items=parcels, key=parcel, step=a, limit=limit)

    assert f"for_each a has a limit of {limit}: let at least 1 be in flight, or None for all" in problems_of(node)


# --- retries

NONSENSE = {
    "has 0 attempts: the first sending is one of them; None is without limit": Retry(attempts=0),
    "has -1 attempts: the first sending is one of them; None is without limit": Retry(attempts=-1),
    "has a total of 0:00:00: it must be longer than nothing; None is without limit": Retry(total=NOTHING),
    "waits -1 day, 23:59:59 at first: it cannot wait for less than nothing": Retry(first=LESS),
    "asks without end and without a wait: let first be longer than nothing": Retry(attempts=None, first=NOTHING),
    "has a cap of 0:00:01, below its first wait of 0:01:00: let it be as long at least": Retry(
        first=MINUTE, cap=SECOND
    ),
    "grows by a factor of 0.5: waits grow or stay, so let it be 1 to 1000": Retry(factor=0.5),
    "grows by a factor of nan: waits grow or stay, so let it be 1 to 1000": Retry(factor=nan),
    "grows by a factor of 1001: waits grow or stay, so let it be 1 to 1000": Retry(factor=1001),
    "has a cap of 36526 days, 0:00:00, longer than a hundred years: shorten it": Retry(cap=TOO_LONG),
    "has a total of 36526 days, 0:00:00, longer than a hundred years: shorten it": Retry(total=TOO_LONG),
    "grows by a factor of inf: waits grow or stay, so let it be 1 to 1000": Retry(factor=inf),
    "has a jitter of -0.1: it is the share of a wait that chance takes away, 0 to 1": Retry(jitter=-0.1),
    "has a jitter of 1.1: it is the share of a wait that chance takes away, 0 to 1": Retry(jitter=1.1),
    "has a jitter of nan: it is the share of a wait that chance takes away, 0 to 1": Retry(jitter=nan),
}


@pytest.mark.parametrize("message", NONSENSE)
def test_a_retry_with_numbers_that_make_no_sense_is_refused(message: str) -> None:
    assert problems_of(compensatable("a", retry=NONSENSE[message])) == (f"step a: its retry {message}",)
    assert problems_of(compensatable("a", compensate_retry=NONSENSE[message])) == (
        f"step a: its compensate_retry {message}",
    )


def test_a_retry_may_wait_for_nothing_if_it_ends_and_may_leave_all_to_chance() -> None:
    saga(compensatable("a", retry=Retry(attempts=3, first=NOTHING, factor=1, jitter=1)), b)
