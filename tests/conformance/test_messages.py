"""What any store keeps of messages: the outbox, held events, dead letters and verdicts, each byte of them."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from saga_coordinator.handlers.records import Changes, OutboxRow
from tests.conformance._support.stores import TIME, Kind, OpenStore, dead, held, known, outbox_message, record, ruling

HOUR = timedelta(hours=1)


async def test_the_outbox_keeps_its_order_and_every_byte_i6(store: OpenStore) -> None:
    written = list(await store.transact(lambda tx: tx.save(Changes(outbox=[outbox_message("a"), outbox_message("b")]))))
    written += await store.transact(lambda tx: tx.save(Changes(outbox=[outbox_message("c")])))
    assert [row.message for row in written] == [outbox_message("a"), outbox_message("b"), outbox_message("c")]
    assert written == sorted(written)
    assert len({row.seq for row in written}) == 3
    assert await store.unsent() == written


async def test_a_message_without_key_value_and_headers_is_kept(store: OpenStore) -> None:
    bare = structs.replace(outbox_message("a"), key=None, value=None, headers=())
    null = structs.replace(outbox_message("b"), headers=(("null", None), ("binary", b"\xff"), ("null", None)))
    await store.transact(lambda tx: tx.save(Changes(outbox=[bare, null])))
    assert [row.message for row in await store.unsent()] == [bare, null]


@pytest.mark.parametrize("deleted", [[0, 2], [0, 1, 3], [4, 2, 3], [3, 1, 0], [0, 1, 2, 3, 4], [4], []])
async def test_only_acknowledged_rows_are_deleted_and_may_be_deleted_again_i7(
    store: OpenStore, deleted: list[int]
) -> None:
    rows = await store.transact(lambda tx: tx.save(Changes(outbox=[outbox_message(each) for each in "abcde"])))
    gone = [rows[each].seq for each in deleted]
    for _ in range(2):
        await store.transact(lambda tx: tx.save(Changes(acknowledged=gone)))
        assert await store.unsent() == [row for number, row in enumerate(rows) if number not in deleted]


async def test_after_a_restart_what_is_unsent_is_there_and_new_rows_follow_it_i12(
    store: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    rows = await store.transact(lambda tx: tx.save(Changes(outbox=[outbox_message("a"), outbox_message("b")])))
    await store.transact(lambda tx: tx.save(Changes(acknowledged=[rows[0].seq])))
    await store.close()

    again = kind.new(tmp_path, known)
    await again.open()
    try:
        assert await again.unsent() == [rows[1]]
        (new,) = await again.transact(lambda tx: tx.save(Changes(outbox=[outbox_message("c")])))
        assert await again.unsent() == [rows[1], OutboxRow(new.seq, outbox_message("c"))]
    finally:
        await again.close()


async def test_held_events_are_read_again_whole_and_in_order_of_arrival(store: OpenStore) -> None:
    some = [held("i-1", 3), held("i-2", 4), held("i-1", 9), held("i-1", 10)]
    await store.transact(lambda tx: tx.save(Changes(buffered=some)))
    assert await store.transact(lambda tx: tx.load_early_events(["i-1", "nobody"])) == [some[0], some[2], some[3]]
    assert await store.transact(lambda tx: tx.load_early_events([])) == []


async def test_an_event_may_be_held_for_several_instances_and_released_for_each(store: OpenStore) -> None:
    one, other = held("i-1", 3), held("i-2", 3)
    await store.transact(lambda tx: tx.save(Changes(buffered=[one, other])))
    await store.transact(lambda tx: tx.save(Changes(released=[one])))
    assert await store.transact(lambda tx: tx.load_early_events(["i-1", "i-2"])) == [other]


async def test_held_events_expire_oldest_first_and_no_more_than_asked_for(store: OpenStore) -> None:
    some = [held("i", offset, expires_at=TIME + offset * HOUR) for offset in (1, 2, 3)]
    await store.transact(lambda tx: tx.save(Changes(buffered=some)))
    assert await store.next_timer() == TIME + HOUR
    assert await store.transact(lambda tx: tx.load_expired_events(TIME + 2 * HOUR, 10)) == some[:2]
    assert await store.transact(lambda tx: tx.load_expired_events(TIME + 2 * HOUR, 1)) == some[:1]
    assert await store.transact(lambda tx: tx.load_expired_events(TIME, 10)) == []


async def test_a_released_event_is_held_no_longer(store: OpenStore) -> None:
    some = [held("i", 1), held("i", 2)]
    await store.transact(lambda tx: tx.save(Changes(buffered=some)))
    await store.transact(lambda tx: tx.save(Changes(released=[some[0]])))
    assert await store.transact(lambda tx: tx.load_early_events(["i"])) == [some[1]]


async def test_a_dead_letter_and_a_verdict_may_be_written_twice_and_stand_once_i28(
    store: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    for _ in range(2):
        await store.transact(lambda tx: tx.save(Changes(dead_letters=[dead(1)], verdicts=[ruling(2)])))
    assert kind.look(tmp_path, 'SELECT topic, partition, "offset", timestamp, key, value, cause FROM dead_letter') == [
        (*dead(1).record.place, record(1).timestamp, record(1).key, record(1).value, "it is no JSON")
    ]
    verdicts = kind.look(tmp_path, 'SELECT "offset", verdict, reason, key FROM verdict')
    assert verdicts == [(2, "unmatched", "nobody", b"\xff key")]
