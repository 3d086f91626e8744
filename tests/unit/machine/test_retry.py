"""How often a step is asked, and how long it waits: rule 4, with the chance derived from the command's id (rule 2)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.sagas import FOREVER, ONCE, PATIENT, Retry
from saga_coordinator.sagas.machine.ids import chance, command_id, instance_id
from tests.support.saga_kit import MINUTE, SECOND

FLAT = Retry(attempts=4, first=2 * SECOND, factor=2, cap=MINUTE, jitter=0.0)


@pytest.mark.parametrize(("sendings", "seconds"), [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (7, 60), (10_000, 60)])
def test_waits_grow_by_the_factor_up_to_the_cap(sendings: int, seconds: int) -> None:
    assert FLAT.wait(sendings, 0.5) == timedelta(seconds=seconds)


def test_jitter_takes_away_at_most_its_share() -> None:
    shaken = Retry(first=10 * SECOND, jitter=0.2)

    assert shaken.wait(1, 0.0) == 10 * SECOND
    assert shaken.wait(1, 0.5) == 9 * SECOND
    assert shaken.wait(1, 0.999_999) > 8 * SECOND


@pytest.mark.parametrize(("retry", "allowed"), [(ONCE, 1), (Retry(attempts=4), 4), (PATIENT, 12), (FOREVER, 1_000_000)])
def test_so_many_sendings_are_allowed(retry: Retry, allowed: int) -> None:
    assert retry.allows(allowed - 1)
    assert retry.allows(allowed) is (retry is FOREVER)


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True), st.floats(0, 1), st.floats(1, 10))
def test_a_wait_lies_between_nothing_and_the_cap(sendings: int, luck: float, jitter: float, factor: float) -> None:
    wait = Retry(factor=factor, jitter=jitter).wait(sendings, luck)

    assert timedelta(0) <= wait <= timedelta(minutes=5)


def test_patience_waits_some_twenty_minutes_in_all() -> None:
    waits = sum((PATIENT.wait(sendings, 0.5) for sendings in range(1, 12)), timedelta())

    assert 15 * MINUTE < waits < 25 * MINUTE


def test_chance_is_spread_evenly_and_depends_on_the_id_alone() -> None:
    ids = [command_id(instance_id("s", str(n)), "a", "forward", 1) for n in range(1_000)]

    chances = [chance(id_) for id_ in ids]
    assert chances == [chance(id_) for id_ in ids]
    assert all(0 <= each < 1 for each in chances)
    assert 0.45 < sum(chances) / len(chances) < 0.55
