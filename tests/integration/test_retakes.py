"""How long one waits before it takes back a partition that another has taken over."""

from random import Random
from typing import Final

from aiokafka import TopicPartition

from saga_coordinator.service.kafka.retakes import INITIAL_BACKOFF, MAX_BACKOFF, QUIET, TakeoverBackoff

ONE: Final = ("orders.events.v1", 0)
OTHER: Final = ("orders.events.v1", 1)


def test_what_nobody_took_waits_for_nothing() -> None:
    retakes = TakeoverBackoff(Random(0))
    retakes.lost((), now=0.0)
    assert retakes.waiting(now=0.0) == set()


def test_each_takeover_that_follows_upon_the_last_doubles_the_wait_up_to_a_limit() -> None:
    longest = INITIAL_BACKOFF
    retakes, now = TakeoverBackoff(Random(0)), 0.0
    for _ in range(8):
        waited = waits(retakes, now)
        assert longest / 2 <= waited <= longest
        now, longest = now + waited, min(2 * longest, MAX_BACKOFF)
    assert longest == MAX_BACKOFF


def test_two_that_lose_at_once_do_not_wait_alike() -> None:
    assert waits(TakeoverBackoff(Random("a")), 0.0) != waits(TakeoverBackoff(Random("b")), 0.0)


def test_the_backoff_is_reset_after_a_partition_was_kept_for_long() -> None:
    retakes = TakeoverBackoff(Random(0))
    later = waits(retakes, waits(retakes, 0.0)) + QUIET + MAX_BACKOFF
    assert waits(retakes, later) <= INITIAL_BACKOFF


def test_the_other_partitions_do_not_wait_and_a_new_assignment_ends_all_waits() -> None:
    retakes = TakeoverBackoff(Random(0))
    retakes.lost({ONE}, now=0.0)
    assert retakes.waiting(now=0.0) == {TopicPartition(*ONE)}
    retakes.lost({OTHER}, now=0.05)
    assert retakes.waiting(now=0.05) == {TopicPartition(*ONE), TopicPartition(*OTHER)}
    retakes.clear()
    assert retakes.waiting(now=0.05) == set()


def waits(retakes: TakeoverBackoff, now: float) -> float:
    """Lose a partition now, and return in how many seconds it may be taken again."""
    retakes.lost({ONE}, now)
    return next(step / 1000 for step in range(10_000) if not retakes.waiting(now + step / 1000))
