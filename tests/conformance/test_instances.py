"""Instances and their history in any store: what is saved is read again unchanged, and nobody overwrites anybody."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from saga_coordinator.handlers.ports import Conflict, Transaction
from saga_coordinator.handlers.records import Changes, InstanceRecord, Lease, Place, Verdict
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Block, Cancel, ReplyReceived, Signal, TimerFired, freeze, transition
from tests.conformance._support.stores import TIME, Kind, OpenStore, begun, entry, later, starts
from tests.unit.handlers._support.order_log import REPLIES

MINUTE = timedelta(minutes=1)


async def loaded(store: OpenStore, *ids: str) -> dict[str, InstanceRecord]:
    return dict(await store.transact(lambda tx: tx.load(ids)))


@pytest.mark.parametrize(
    "signals",
    [
        (),
        (TimerFired(TIME + 2 * MINUTE), TimerFired(TIME + 5 * MINUTE)),
        (Cancel(TIME + MINUTE, "why \0 ü € \N{GRINNING FACE}"),),
        (Block(TIME + MINUTE, Cause(None, "made", "it's 'quoted'")),),
    ],
    ids=lambda signals: "-".join(type(each).__name__.lower() for each in signals) or "start",
)
async def test_an_instance_is_read_again_byte_for_byte_i3(store: OpenStore, signals: tuple[Signal, ...]) -> None:
    stored = begun()
    for signal in signals:
        instance = transition(order_fulfilment, stored.instance, signal).instance
        stored = structs.replace(stored, instance=instance, revision=stored.revision + 1)
    await store.transact(lambda tx: tx.save(starts(stored)))
    (again,) = (await loaded(store, stored.instance.id)).values()

    assert again == stored
    assert freeze(again.instance) == freeze(stored.instance)
    assert again.trace.to_json() == stored.trace.to_json()


async def test_only_those_that_exist_are_loaded(store: OpenStore) -> None:
    first, second = begun("o-1"), begun("o'2\"]")
    await store.transact(lambda tx: tx.save(starts(first, second)))
    assert await loaded(store) == {}
    assert await loaded(store, second.instance.id, "nobody", "'; --") == {second.instance.id: second}


async def test_a_save_upon_the_revision_that_was_seen_replaces_it(store: OpenStore) -> None:
    stored = begun()
    await store.transact(lambda tx: tx.save(starts(stored)))
    after = later(stored, wake=MINUTE)
    await store.transact(lambda tx: tx.save(Changes(instances=[(after, stored)])))
    assert await loaded(store, stored.instance.id) == {stored.instance.id: after}


@pytest.mark.parametrize("seen", [1, 3])
async def test_a_save_upon_another_revision_is_a_conflict_and_writes_nothing(store: OpenStore, seen: int) -> None:
    one, other = begun("o-1"), begun("o-2")
    await store.transact(lambda tx: tx.save(starts(one, other)))
    await store.transact(lambda tx: tx.save(Changes(instances=[(later(one), one)])))
    stale = Changes(
        instances=[(later(other), other), (later(later(one)), structs.replace(one, revision=seen))],
        entries=[entry(other, 2)],
    )
    with pytest.raises(Conflict):
        await store.transact(lambda tx: tx.save(stale))
    assert {id_: each.revision for id_, each in (await loaded(store, one.instance.id, other.instance.id)).items()} == {
        one.instance.id: 2,
        other.instance.id: 1,
    }


async def test_a_second_insert_is_a_conflict_and_writes_nothing_i5(store: OpenStore) -> None:
    await store.transact(lambda tx: tx.save(starts(begun("o-1"))))
    with pytest.raises(Conflict):
        await store.transact(lambda tx: tx.save(starts(begun("o-2"), begun("o-1"))))
    assert await loaded(store, begun("o-2").instance.id) == {}


async def test_an_update_of_an_instance_that_is_not_there_is_a_conflict(store: OpenStore) -> None:
    with pytest.raises(Conflict):
        await store.transact(lambda tx: tx.save(Changes(instances=[(later(begun()), begun())])))


async def test_history_is_appended_and_keeps_every_field(store: OpenStore, kind: Kind, tmp_path: Path) -> None:
    stored = begun()
    first = entry(stored, 1, value=b"\0\xff", reason="ü", place=Place("t", 1, 2))
    timer = entry(stored, 2, kind="wake", place=None, message_id=None, message_type=None)
    timer = structs.replace(timer, message_source=None, causation_id=None, value=None)
    ignored = entry(stored, 3, verdict=Verdict.IGNORED, reason="late")
    await store.transact(lambda tx: tx.save(starts(stored, entries=[first])))
    await store.transact(lambda tx: tx.save(Changes(entries=[timer, ignored])))
    rows = kind.look(
        tmp_path,
        "SELECT i.id, h.seq, h.kind, h.verdict, h.reason, h.message_id, h.message_type, h.message_source,"
        ' h.causation_id, h.value, h.decided, h.topic, h.partition, h."offset", h.trace_id, h.span_id'
        " FROM history h JOIN instance i ON i.number = h.instance ORDER BY h.seq",
    )
    assert rows == [
        (
            each.instance_id,
            each.seq,
            each.kind,
            each.verdict.value,
            each.reason,
            each.message_id,
            each.message_type,
            each.message_source,
            each.causation_id,
            each.value,
            each.decided,
            *(each.place or (None, None, None)),
            each.trace_id,
            each.span_id,
        )
        for each in (first, timer, ignored)
    ]


async def test_a_row_of_history_is_never_replaced(store: OpenStore, kind: Kind, tmp_path: Path) -> None:
    await store.transact(lambda tx: tx.save(starts(begun(), entries=[entry(begun(), 1)])))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.transact(lambda tx: tx.save(Changes(entries=[entry(begun(), 1, kind="forged")])))
    assert kind.look(tmp_path, "SELECT kind FROM history") == [("answer",)]


async def test_due_timers_are_loaded_oldest_first_and_up_to_the_limit_i20(store: OpenStore) -> None:
    instances = [begun(f"o-{number}", at=TIME + number * MINUTE) for number in (3, 1, 2, 9)]
    await store.transact(lambda tx: tx.save(starts(*instances)))
    timers = sorted(each.instance.next_timer_at or TIME for each in instances)

    assert await store.next_timer() == timers[0]
    homes = [await store.acquire(REPLIES, begun().home, "us")]
    due = await store.transact(lambda tx: tx.load_due(timers[2], 10, homes))
    assert [each.instance.key for each in due] == ["o-1", "o-2", "o-3"]
    assert list(due) == [instances[1], instances[2], instances[0]]
    assert [each.instance.key for each in await store.transact(lambda tx: tx.load_due(timers[2], 2, homes))] == [
        "o-1",
        "o-2",
    ]
    assert await store.transact(lambda tx: tx.load_due(timers[0] - timedelta(microseconds=1), 10, homes)) == []


async def test_timers_are_loaded_only_for_the_owner_of_the_home_in_its_newest_epoch_i25(store: OpenStore) -> None:
    await store.transact(lambda tx: tx.save(starts(begun())))
    due_at = await store.next_timer()
    assert due_at is not None
    elsewhere = await store.acquire(REPLIES, begun().home + 1, "us")
    overtaken = await store.acquire(REPLIES, begun().home, "us")
    newest = await store.acquire(REPLIES, begun().home, "others")
    for homes, expected in (([], 0), ([elsewhere], 0), ([overtaken], 0), ([elsewhere, newest], 1)):
        due = await store.transact(partial(load_due, due_at, homes))
        assert len(due) == expected


async def load_due(at: datetime, homes: list[Lease], tx: Transaction) -> Sequence[InstanceRecord]:
    return await tx.load_due(at, 10, homes)


async def test_an_instance_that_waits_for_nothing_has_no_timer(store: OpenStore) -> None:
    stored = begun()
    stalled = transition(order_fulfilment, stored.instance, Block(TIME, Cause(None, "made", "stop"))).instance
    await store.transact(lambda tx: tx.save(starts(structs.replace(stored, instance=stalled))))
    assert await store.next_timer() is None
    homes = [await store.acquire(REPLIES, stored.home, "us")]
    assert await store.transact(lambda tx: tx.load_due(TIME + timedelta(days=99), 10, homes)) == []


async def test_an_answer_is_loaded_with_the_choice_and_data_that_it_made(store: OpenStore) -> None:
    stored = begun()
    for name, reply in (("reserve-stock", {"reservation_id": "R-1"}), ("charge-card", {"charge_id": "C-1"})):
        type_ = order_fulfilment.plan.steps[name].command.reply
        id_ = stored.instance.steps[name].forward.command_id
        decision = transition(
            order_fulfilment, stored.instance, ReplyReceived(TIME + MINUTE, id_, type_.model_validate(reply))
        )
        stored = structs.replace(stored, instance=decision.instance, revision=stored.revision + 1)
    await store.transact(lambda tx: tx.save(starts(stored)))
    (again,) = (await loaded(store, stored.instance.id)).values()
    assert again.instance == stored.instance
    assert again.instance.data.charge_id == "C-1"
    assert list(again.instance.steps) == ["reserve-stock", "charge-card", "ship-order"]


async def test_data_are_written_when_they_are_others_and_stay_as_they_are_if_not_i3(store: OpenStore) -> None:
    first = begun()
    same = later(first)
    data = same.instance.data.model_copy(update={"charge_id": "C-1"})
    other = structs.replace(same, instance=structs.replace(same.instance, data=data), revision=3)
    await store.transact(lambda tx: tx.save(starts(first)))
    for before, after in ((first, same), (same, other), (other, later(other))):
        changes = Changes(instances=[(after, before)])
        await store.transact(lambda tx: tx.save(changes))  # noqa: B023  awaited here
        assert await loaded(store, first.instance.id) == {first.instance.id: after}
