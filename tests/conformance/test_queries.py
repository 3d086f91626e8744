"""The read port of any store: what it says of instances, records and dead letters, as of one moment."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Actor, Audit, Changes, InstanceRecord, Place, QueuedRecord, Verdict
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Block, TimerFired, freeze, transition
from saga_coordinator.service.storage.queries import (
    AwaitsReply,
    Backlog,
    DeadLetterFilter,
    InstanceFilter,
    LiveVersion,
    NeedsAttention,
    ParkedBehind,
    PartitionRow,
    Queries,
    RecordCursor,
    RecordFilter,
    cursor_of,
)
from tests.conformance._support.stores import (
    TIME,
    Kind,
    OpenStore,
    begun,
    dead,
    entry,
    held,
    outbox_message,
    record,
    ruling,
    starts,
)

HOUR = timedelta(hours=1)
CALM = NeedsAttention(TIME - HOUR, 99, TIME + HOUR)
"""Nothing needs attention by it: no timer was due so early, nothing was sent so often or contradicted so late."""

Opened = Callable[[], AbstractContextManager[Queries]]


@pytest.fixture
def queries(kind: Kind, tmp_path: Path) -> Opened:
    """Open the read port on the store."""
    return partial(kind.queries, tmp_path)


def stalled(stored: InstanceRecord) -> InstanceRecord:
    """An instance that an operator must look at."""
    instance = transition(order_fulfilment, stored.instance, Block(TIME, Cause(None, "made", "stop"))).instance
    return structs.replace(stored, instance=instance)


def sent_twice(stored: InstanceRecord) -> InstanceRecord:
    """An instance whose charge got no reply in time, and was sent again."""
    instance = transition(order_fulfilment, stored.instance, TimerFired(TIME + timedelta(minutes=3))).instance
    return structs.replace(stored, instance=instance)


async def started(store: OpenStore, *instances: InstanceRecord, **more: Any) -> None:  # noqa: ANN401  fields of several types
    """Write new instances one after the other, so that they are numbered in this order; then more rows."""
    for each in instances:
        await store.transact(partial(saved, starts(each)))
    await store.transact(partial(saved, Changes(**more)))


async def saved(changes: Changes, tx: Transaction) -> None:
    await tx.save(changes)


def keys(asked: Queries, which: InstanceFilter, limit: int = 10) -> list[str]:
    """The keys of the instances that are found, in their order."""
    return [row.key for row in asked.instances(which, limit)]


async def test_an_instance_is_read_as_it_was_saved(store: OpenStore, queries: Opened) -> None:
    stored = begun()
    await started(store, stored)
    with queries() as asked:
        (row,) = asked.instances(InstanceFilter(), 10)
    assert row.instance(order_fulfilment) == stored.instance
    assert row.snapshot == freeze(stored.instance)
    assert (row.id, row.saga, row.version, row.key) == (stored.instance.id, "order-fulfilment", 1, "o-1")
    assert (row.status, row.trace, row.revision, row.home) == ("running", stored.trace, 1, 3)
    assert (row.next_timer_at, row.started_at) == (stored.instance.next_timer_at, stored.instance.started_at)
    assert (row.ended_at, row.contradicted_at, row.contradiction) == (None, None, None)


async def test_instances_are_found_by_each_filter_and_paged_from_the_newest(store: OpenStore, queries: Opened) -> None:
    first, second, third = begun("o-1"), stalled(begun("o-2")), begun("o-3")
    await started(store, first, second, third)
    with queries() as asked:
        page = asked.instances(InstanceFilter(), 2)
        assert [row.key for row in page] == ["o-3", "o-2"]
        assert keys(asked, InstanceFilter(before=page[-1].number)) == ["o-1"]
        assert keys(asked, InstanceFilter(ids=[first.instance.id, "nobody", third.instance.id.upper()])) == ["o-1"]
        assert keys(asked, InstanceFilter(ids=[])) == []
        assert keys(asked, InstanceFilter(saga="order-fulfilment", version=1, status="stalled")) == ["o-2"]
        for none in (InstanceFilter(saga="x"), InstanceFilter(version=2), InstanceFilter(status="completed")):
            assert keys(asked, none) == []


async def test_what_needs_attention_is_found(store: OpenStore, queries: Opened) -> None:
    contradicted = begun("o-6")
    parked = replace(dead(1), instance_id=begun("o-4").instance.id, parks=True)
    against = entry(contradicted, 1, verdict=Verdict.CONTRADICTORY, reason="it was done", at=TIME)
    some = (begun("o-1"), stalled(begun("o-2")), sent_twice(begun("o-3")), begun("o-4"), begun("o-5"), contradicted)
    await started(store, *some, dead_letters=[parked], entries=[against])
    with queries() as asked:

        def found(**changed: Any) -> list[str]:  # noqa: ANN401  fields of several types
            return keys(asked, InstanceFilter(attention=CALM._replace(**changed)))

        assert found() == ["o-4", "o-2"]
        assert found(sendings=2) == ["o-4", "o-3", "o-2"]
        assert found(contradicted_since=TIME) == ["o-6", "o-4", "o-2"]
        assert found(late=TIME + 24 * HOUR) == ["o-6", "o-5", "o-4", "o-3", "o-2", "o-1"]
        (row,) = asked.instances(InstanceFilter(ids=[contradicted.instance.id]), 1)
        assert (row.contradicted_at, row.contradiction) == (TIME, "it was done")


async def test_instances_that_await_the_reply_to_a_command_are_found(store: OpenStore, queries: Opened) -> None:
    await started(store, begun("o-1"), stalled(begun("o-2")), begun("o-3", at=TIME + HOUR))
    with queries() as asked:

        def found(*commands: str, before: timedelta) -> list[str]:
            return keys(asked, InstanceFilter(awaits=AwaitsReply(commands, TIME + before)))

        assert found("charge-card/forward", "ship-order/forward", before=2 * HOUR) == ["o-3", "o-2", "o-1"]
        assert found("charge-card/forward", before=timedelta()) == ["o-2", "o-1"]
        assert found("charge-card/compensation", before=2 * HOUR) == found(before=2 * HOUR) == []


async def test_a_history_is_cut_to_its_newest_entries_in_order(store: OpenStore, queries: Opened) -> None:
    stored = begun()
    entries = [entry(stored, seq, value=b"\0\xff", reason="why") for seq in (1, 2, 3)]
    entries[1] = structs.replace(entries[1], place=None, value=None, message_id=None)
    await started(store, stored, entries=entries)
    with queries() as asked:
        (row,) = asked.instances(InstanceFilter(), 1)
        assert asked.history(row, 2) == entries[1:]
        assert asked.history(row, 9) == entries


async def test_every_trace_of_a_record_is_found(store: OpenStore, queries: Opened) -> None:
    stored, letter = begun(), replace(dead(5), instance_id="i-1")
    waiting, audit = (
        QueuedRecord(0, "i-2", record(5), TIME),
        Audit(TIME, Actor("olga", "it's wrong"), "edited", letter),
    )
    applied = entry(stored, 1, place=record(5).place)
    await started(
        store,
        stored,
        entries=[applied],
        buffered=[held("a-1", 5)],
        queued=[waiting],
        dead_letters=[letter],
        verdicts=[ruling(5)],
        audits=[audit],
    )
    with queries() as asked:
        rows = asked.record(record(5).place)
        nothing = asked.record(Place("orders.events.v1", 0, 6))
    assert (rows.entries, rows.early, rows.dead_letters) == ([applied], [held("a-1", 5)], [letter])
    assert ([each._replace(seq=0) for each in rows.queued], rows.verdict) == ([waiting], ruling(5))
    assert rows.audits == [audit]
    assert (nothing.entries, nothing.early, nothing.queued, nothing.dead_letters) == ([], [], [], [])
    assert (nothing.verdict, nothing.audits) == (None, [])


async def test_dead_letters_are_found_by_each_filter_and_paged_from_the_newest(
    store: OpenStore, queries: Opened
) -> None:
    first, second = dead(1), replace(dead(2), at=TIME + HOUR, cause="100 % wrong_", instance_id="i-1")
    third = replace(dead(3), record=record(3, topic="b.events.v1"))
    await started(store, dead_letters=[first, second, third])
    with queries() as asked:
        page = asked.dead_letters(DeadLetterFilter(), 2)
        assert page == [second, first]
        assert asked.dead_letters(DeadLetterFilter(before=cursor_of(page[-1])), 2) == [third]
        assert asked.dead_letters(DeadLetterFilter(topic="b.events.v1"), 9) == [third]
        assert asked.dead_letters(DeadLetterFilter(instance_id="i-1", cause="% wrong_"), 9) == [second]
        assert asked.dead_letters(DeadLetterFilter(cause="JSO_"), 9) == []


async def test_records_that_reached_no_instance_are_found_and_paged_from_the_newest(
    store: OpenStore, queries: Opened
) -> None:
    early, unmatched, queued = held("here", 1), ruling(2), QueuedRecord(0, "i-1", record(3), TIME)
    two = [replace(dead(4), instance_id=id_) for id_ in ("i-1", "i-2")]
    beside = ruling(4)
    late = replace(dead(5), at=TIME - HOUR)
    keyless = replace(held("there", 6), record=record(6)._replace(key=None))
    rulings = [unmatched, beside]
    await started(store, buffered=[early, keyless], verdicts=rulings, queued=[queued], dead_letters=[*two, late])
    newest_first = [cursor_of(each) for each in (keyless, two[1], two[0], beside, queued, unmatched, early, late)]
    with queries() as asked:

        def found(limit: int = 9, **which: Any) -> list[RecordCursor]:  # noqa: ANN401  fields of several types
            return [cursor_of(each) for each in asked.records(RecordFilter(**which), limit)]

        assert found() == newest_first
        assert [found(1, before=each) for each in newest_first] == [*([each] for each in newest_first[1:]), []]
        assert asked.records(RecordFilter(verdict=Verdict.UNMATCHED), 9) == [beside, unmatched]
        assert found(verdict=Verdict.BUFFERED) == [cursor_of(each) for each in (keyless, queued, early)]
        assert found(verdict=Verdict.IGNORED) == found(topic="a.events.v1") == found(key=b"none") == []
        assert found(key=b"\xff key") == [each for each in newest_first if each != cursor_of(keyless)]
        assert found(key=b"none", subjects=["there", "i-2"]) == [cursor_of(each) for each in (keyless, two[1])]


async def test_who_is_parked_and_what_waits_is_found(store: OpenStore, queries: Opened) -> None:
    head = replace(dead(1), instance_id="i-1", parks=True)
    waiting = [QueuedRecord(0, "i-1", record(offset), TIME) for offset in (9, 3)]
    await started(store, dead_letters=[head, replace(dead(2), instance_id="i-2")], queued=waiting)
    with queries() as asked:
        assert asked.parked(["i-1", "i-2", "i-3"]) == {"i-1": ParkedBehind(head, 2)}
        assert [each._replace(seq=0) for each in asked.queue("i-1", 9)] == waiting
        assert [each.record for each in asked.queue("i-1", 1)] == [record(9)]
        assert asked.queue("i-2", 9) == []


async def test_partitions_show_how_far_they_are_and_where_their_traces_begin(store: OpenStore, queries: Opened) -> None:
    topic = record(1).place.topic
    await store.acquire(topic, 0, "me", start=5, topic_id="id-1")
    await store.acquire("u", 1, "me")
    await started(store, begun(), entries=[entry(begun(), 1, place=record(9).place)], dead_letters=[dead(7)])
    with queries() as asked:
        known = PartitionRow(topic, 0, 7, 5, "id-1")
        assert asked.partitions() == [known, PartitionRow("u", 1, None, None, None)]
        assert asked.partitions(topic) == [known]


async def test_what_waits_is_counted(store: OpenStore, queries: Opened) -> None:
    await started(store, begun("o-1"), begun("o-2"), outbox=[outbox_message("m-1")], dead_letters=[dead(1), dead(2)])
    with queries() as asked:
        assert asked.backlog() == Backlog(dead_letters=2, unpublished=1)
        assert (asked.is_unpublished("m-1"), asked.is_unpublished("m-2")) == (True, False)
        assert asked.live_versions() == [LiveVersion("order-fulfilment", 1, 2, None)]


async def test_it_shows_one_moment_and_keeps_nobody_from_writing(store: OpenStore, queries: Opened) -> None:
    await started(store, begun("o-1"))
    with queries() as asked:
        assert keys(asked, InstanceFilter()) == ["o-1"]
        await started(store, begun("o-2"))
        assert keys(asked, InstanceFilter()) == ["o-1"]
    with queries() as asked:
        assert keys(asked, InstanceFilter()) == ["o-2", "o-1"]


async def test_the_metrics_count_what_lives_and_waits(store: OpenStore) -> None:
    late = begun("o-2", at=TIME + HOUR)
    await started(store, begun("o-1"), late, stalled(begun("o-3")), dead_letters=[dead(1)])
    found = await store.counts(TIME + HOUR)
    assert sorted(found.instances) == [("order-fulfilment", "running", 2), ("order-fulfilment", "stalled", 1)]
    waiting = sorted((each.step, each.direction, each.number, each.since) for each in found.unanswered)
    assert waiting == [("charge-card", "forward", 3, TIME), ("reserve-stock", "forward", 3, TIME)]
    assert (found.overdue, found.dead_letters, found.parked, list(found.paused)) == (1, 1, 0, [])
    assert found.database_bytes > 0
