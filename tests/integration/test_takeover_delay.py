"""How long a coordinator waits before it acquires a partition again that another one has taken over."""

from random import Random
from typing import Final

from aiokafka import TopicPartition

from saga_coordinator.handlers.backoff import INITIAL_BACKOFF, MAX_BACKOFF
from saga_coordinator.service.kafka.partitions import QUIET, Partitions

ONE: Final = TopicPartition("orders.events.v1", 0)
OTHER: Final = TopicPartition("orders.events.v1", 1)


def test_a_partition_that_nobody_took_over_is_acquired_at_once() -> None:
    assert Partitions(Random(0)).not_to_acquire(now=0.0) == set()


def test_each_takeover_that_follows_upon_the_last_doubles_the_delay_up_to_a_limit() -> None:
    longest = INITIAL_BACKOFF
    partitions, now = Partitions(Random(0)), 0.0
    for _ in range(8):
        delay = delayed(partitions, now)
        assert longest / 2 <= delay <= longest
        now, longest = now + delay, min(2 * longest, MAX_BACKOFF)
    assert longest == MAX_BACKOFF


def test_two_that_lose_at_once_do_not_wait_alike() -> None:
    assert delayed(Partitions(Random("a")), 0.0) != delayed(Partitions(Random("b")), 0.0)


def test_one_that_kept_its_partition_for_long_starts_again_with_the_first_delay() -> None:
    partitions = Partitions(Random(0))
    later = delayed(partitions, delayed(partitions, 0.0)) + QUIET + MAX_BACKOFF
    assert delayed(partitions, later) <= INITIAL_BACKOFF


def test_the_other_partitions_do_not_wait_and_a_new_assignment_ends_all_delays() -> None:
    partitions = Partitions(Random(0))
    partitions.delay(ONE, now=0.0)
    assert partitions.not_to_acquire(now=0.0) == {ONE}
    partitions.delay(OTHER, now=0.05)
    assert partitions.not_to_acquire(now=0.05) == {ONE, OTHER}
    partitions.clear()
    assert partitions.not_to_acquire(now=0.05) == set()


def test_a_stopped_partition_is_not_acquired_before_the_next_assignment() -> None:
    partitions = Partitions(Random(0))
    partitions[ONE].backlog_end = 9
    partitions.stop(ONE, "its log was trimmed")
    assert partitions.not_to_acquire(now=1e9) == partitions.unreadable() == partitions.stopped() == {ONE}
    assert (partitions.problems(), partitions.backlog()) == (["its log was trimmed"], [])
    partitions.clear()
    assert partitions.problems() == []
    assert partitions.not_to_acquire(now=0.0) == set()


def delayed(partitions: Partitions, now: float) -> float:
    """Lose a partition now, and return in how many seconds it may be acquired again."""
    partitions.delay(ONE, now)
    return next(step / 1000 for step in range(10_000) if not partitions.not_to_acquire(now + step / 1000))
