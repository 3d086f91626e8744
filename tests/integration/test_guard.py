"""From where a partition is read, or why it is not: every case, without a broker."""

import pytest
from aiokafka import TopicPartition

from saga_coordinator.handlers.records import DatabaseIdentity, Lease
from saga_coordinator.service.kafka.aiokafka_internals import ClusterDescription
from saga_coordinator.service.kafka.guard import CommittedOffset, KafkaState, Stop, database_problem, start_of
from saga_coordinator.service.settings import Settings, StartFrom

AT = TopicPartition("t", 0)
EMPTY, FULL, TRIMMED = (0, 0), (0, 9), (5, 9)


def left_at(offset: int | None, *, epoch: int = 1, topic_id: str | None = "id-1") -> Lease:
    return Lease("t", 0, epoch, offset, topic_id)


OTHER = Lease("t", 1, 3, 4, "id-1")
"""Another partition of the topic, which is read."""


@pytest.mark.parametrize(
    ("leases", "topic_id", "log", "start_from", "start"),
    [
        ([left_at(7)], "id-1", FULL, "none", 7),
        ([left_at(7)], None, FULL, "none", 7),
        ([left_at(7, topic_id=None)], "id-1", FULL, "none", 7),
        ([left_at(7)], "id-1", FULL, "end", 7),
        ([left_at(9)], "id-1", FULL, "none", 9),
        ([left_at(7)], "id-2", FULL, "beginning", "of another topic"),
        ([left_at(None, epoch=0)], "id-2", EMPTY, "beginning", "of another topic"),
        ([left_at(4)], "id-1", TRIMMED, "none", "is done up to 4, but its log reaches from 5 to 9"),
        ([left_at(10)], "id-1", FULL, "none", "is done up to 10, but its log reaches from 0 to 9"),
        ([left_at(None, epoch=0)], "id-1", EMPTY, "none", 0),
        ([left_at(None, epoch=0)], "id-1", (5, 5), "none", 5),
        ([left_at(None, epoch=0)], "id-1", FULL, "none", "has records (0 to 9)"),
        ([left_at(None, epoch=0)], "id-1", TRIMMED, "beginning", 5),
        ([left_at(None, epoch=0)], "id-1", FULL, "end", 9),
        ([OTHER, left_at(None, epoch=0)], "id-1", FULL, "none", "has records (0 to 9)"),
        ([OTHER], "id-1", FULL, "none", 0),
        ([OTHER], "id-1", FULL, "end", 0),
        ([OTHER], None, FULL, "none", 0),
        ([OTHER], "id-2", FULL, "none", "of another topic"),
        ([left_at(None)], "id-1", FULL, "none", 0),
    ],
)
def test_a_partition_is_read_from_where_it_was_left_or_where_it_is_new_from_its_beginning(
    leases: list[Lease], topic_id: str | None, log: tuple[int, int], start_from: StartFrom, start: int | str
) -> None:
    found = start_of(AT, leases, topic_id=topic_id, log=log, start_from=start_from)
    if isinstance(start, str):
        assert isinstance(found, Stop)
        assert start in found.problem
        assert "saga positions set t" in found.remedy
    else:
        assert found == start


MINE = DatabaseIdentity("mine", "cluster-1")


@pytest.mark.parametrize(
    ("leases", "committed", "problem"),
    [
        ([], {}, None),
        ([left_at(7)], {}, None),
        ([left_at(7)], {AT: CommittedOffset(7, "mine")}, None),
        ([left_at(7)], {AT: CommittedOffset(3, "mine")}, None),
        ([left_at(7)], {AT: CommittedOffset(7, None)}, None),
        ([left_at(None)], {AT: CommittedOffset(0, None)}, None),
        ([left_at(7)], {AT: CommittedOffset(8, "mine")}, "went back: its consumer group"),
        ([left_at(7)], {AT: CommittedOffset(8, None)}, "went back: its consumer group"),
        ([OTHER], {AT: CommittedOffset(1, "mine")}, "went back: its consumer group"),
        ([left_at(7)], {AT: CommittedOffset(0, "yours")}, "belongs to the database yours"),
        ([], {AT: CommittedOffset(0, "yours")}, "belongs to the database yours"),
        ([], {AT: CommittedOffset(1, None)}, "saga.db is empty"),
        ([Lease("t", 0, 0, None, "id-1")], {AT: CommittedOffset(1, None)}, "saga.db is empty"),
        ([Lease("t", 0, 1, 7, "id-1", is_set=True)], {AT: CommittedOffset(9, "yours")}, None),
        (
            [Lease("t", 0, 1, 7, is_set=True)],
            {AT: CommittedOffset(9, None), ("t", 1): CommittedOffset(1, "yours")},
            "yours",
        ),
    ],
)
def test_a_database_reads_only_in_a_group_that_has_nothing_from_another_and_nothing_newer(
    leases: list[Lease], committed: dict[TopicPartition, CommittedOffset], problem: str | None
) -> None:
    state = KafkaState(ClusterDescription("cluster-1", {}), committed)
    found = database_problem(state, MINE, leases, Settings())
    assert found is None if problem is None else problem in (found or "")


@pytest.mark.parametrize(
    ("before", "now", "is_refused"),
    [("a", "a", False), ("a", "b", True), (None, "b", False), ("a", None, False)],
)
def test_a_database_reads_only_of_its_own_cluster(before: str | None, now: str | None, is_refused: bool) -> None:  # noqa: FBT001  a case
    state = KafkaState(ClusterDescription(now, {}), {})
    found = database_problem(state, DatabaseIdentity("mine", before), [left_at(7)], Settings())
    assert (found is not None) is is_refused
