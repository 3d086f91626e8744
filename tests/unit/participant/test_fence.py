"""A command takes effect at most once, and not at all after its compensation, whatever the order of the records."""

import asyncio
import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_coordinator.contracts.messages.inventory import ReserveStock, StockReserved
from saga_coordinator.service.participant import Participant, batch, transactional
from saga_coordinator.service.participant.batch import Batch
from saga_coordinator.service.participant.sqlite import SqliteSession
from saga_coordinator.service.participant.wire import IncomingCommand
from tests.unit.participant._support.warehouse import (
    DONE,
    FAILED,
    REFUSED,
    RESERVED,
    TOPIC,
    TRACEPARENT,
    UNDONE,
    Warehouse,
    opened,
    release,
    reserve,
    warehouse,
)


async def test_a_copy_gets_the_same_reply_and_has_no_second_effect_i8(inventory: Warehouse) -> None:
    await inventory.receives(reserve("c-1"), reserve("c-1"))
    await inventory.receives(reserve("c-1"))

    assert await inventory.effects() == {"c-1": [1]}
    assert await inventory.replies() == [("c-1", *RESERVED)] * 3


async def test_a_compensation_undoes_its_original_once(inventory: Warehouse) -> None:
    await inventory.receives(reserve("c-1"), release("u-1", "c-1"), release("u-1", "c-1"), release("u-2", "c-1"))

    assert await inventory.effects() == {"c-1": [1, -1]}
    assert await inventory.replies() == [("c-1", *RESERVED), *[("u-1", *DONE)] * 2, ("u-2", *DONE)]


async def test_a_command_after_its_compensation_is_refused_i15(inventory: Warehouse) -> None:
    await inventory.receives(release("u-1", "c-1"))
    await inventory.receives(reserve("c-1"), reserve("c-1"))

    assert await inventory.effects() == {}
    assert inventory.calls == []
    assert await inventory.replies() == [("u-1", *DONE), *[("c-1", *UNDONE)] * 2]


async def test_a_failed_command_has_no_effect_and_nothing_to_undo(inventory: Warehouse) -> None:
    inventory.outcomes = [REFUSED]
    await inventory.receives(reserve("c-1"), reserve("c-1"), release("u-1", "c-1"))

    assert await inventory.effects() == {}
    assert inventory.calls == ["c-1"]
    assert await inventory.replies() == [*[("c-1", *FAILED)] * 2, ("u-1", *DONE)]


async def test_the_next_attempt_of_a_failed_compensation_undoes(inventory: Warehouse) -> None:
    await inventory.receives(reserve("c-1"))
    inventory.outcomes = [REFUSED]
    await inventory.receives(release("u-1", "c-1"), release("u-2", "c-1"))

    assert await inventory.effects() == {"c-1": [1, -1]}
    assert await inventory.replies() == [("c-1", *RESERVED), ("u-1", *FAILED), ("u-2", *DONE)]


async def test_a_handler_that_raises_is_called_again_before_later_commands_of_its_key(inventory: Warehouse) -> None:
    inventory.outcomes = [RuntimeError("broken")]
    postponed = await inventory.receives(reserve("c-1"), release("u-1", "c-1"), reserve("c-2", order="o-2"))

    assert [each.envelope.id for each in postponed] == ["c-1", "u-1"]
    assert await inventory.effects() == {"c-2": [1]}
    assert await inventory.batch.execute(postponed) == []
    assert await inventory.effects() == {"c-2": [1], "c-1": [1, -1]}


async def test_a_handler_that_always_raises_fails_its_command_retryably(inventory: Warehouse) -> None:
    inventory.outcomes = [RuntimeError("broken")] * 3
    waiting = await inventory.receives(reserve("c-1"))
    waiting = await inventory.batch.execute(waiting)
    assert await inventory.batch.execute(waiting) == []

    assert await inventory.effects() == {}
    [(causation, _, value)] = await inventory.replies()
    assert causation == "c-1"
    assert b'"code":"handler-raised"' in value
    assert b'"retryable":true' in value


async def test_trouble_of_the_database_undoes_the_whole_batch_and_answers_nothing(inventory: Warehouse) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    inventory.outcomes = [REFUSED, full]

    with pytest.raises(sqlite3.OperationalError, match="full"):
        await inventory.receives(reserve("c-1"), reserve("c-2"))

    assert await inventory.sent() == []
    await inventory.receives(reserve("c-1"), reserve("c-2"))
    assert await inventory.effects() == {"c-1": [1], "c-2": [1]}


async def test_two_commands_with_one_id_are_a_dead_letter_without_reply(inventory: Warehouse) -> None:
    await inventory.receives(reserve("c-1"), reserve("c-1", order="o-2"))

    assert await inventory.replies() == [("c-1", *RESERVED)]
    [letter] = [each for each in await inventory.sent() if each.topic == f"{TOPIC}-dlt"]
    assert letter.key == b"o-2"
    assert b"another command with this ce_id" in dict(letter.headers)["kafka_dlt-exception-message"]


async def test_a_compensation_of_another_kind_of_command_is_a_dead_letter(inventory: Warehouse) -> None:
    await inventory.receives(reserve("c-1"), release("u-1", "c-1"), release("u-2", "u-1"))

    assert await inventory.effects() == {"c-1": [1, -1]}
    assert [each.topic for each in await inventory.sent()][-1] == f"{TOPIC}-dlt"


async def test_a_wrong_value_is_answered_so_that_the_saga_does_not_wait(inventory: Warehouse) -> None:
    await inventory.receives(replace(reserve("c-1"), value=b'{"order_id": "o-1"}'))

    [(causation, _, value)] = await inventory.replies()
    assert causation == "c-1"
    assert b'"code":"not-understood"' in value
    assert b'"retryable":true' in value


async def test_a_compensation_that_is_not_understood_still_blocks_its_original(inventory: Warehouse) -> None:
    await inventory.receives(replace(release("u-1", "c-1"), value=b"{}"), reserve("c-1"))

    assert await inventory.effects() == {}
    assert await inventory.replies() == [("u-1", *DONE), ("c-1", *UNDONE)]


async def test_a_reply_echoes_what_the_coordinator_needs(inventory: Warehouse) -> None:
    await inventory.receives(reserve("c-1"))

    [sent] = await inventory.sent()
    envelope, _ = opened(sent)
    assert (sent.topic, sent.key) == ("saga.replies.v1", b"o-1")
    assert (envelope.id, envelope.source) == ("re-c-1", "/warehouse")
    assert (envelope.correlation_id, envelope.causation_id) == ("instance of o-1", "c-1")
    assert envelope.traceparent == TRACEPARENT


async def test_a_reply_that_kafka_would_not_accept_fails_its_command(
    inventory: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MAX_REPLY_BYTES", 3)
    await inventory.receives(reserve("c-1"), release("u-1", "c-1"))

    assert await inventory.effects() == {}
    [(_, _, value), compensated] = await inventory.replies()
    assert b'"code":"reply-too-large"' in value
    assert compensated == ("u-1", *DONE)


@pytest.mark.parametrize("statement", ["COMMIT", " rollback;", "SAVEPOINT mine", "BEGIN"])
async def test_a_handler_cannot_end_its_transaction(inventory: Warehouse, statement: str) -> None:
    with pytest.raises(ValueError, match="begins and ends the transaction"):
        await SqliteSession(inventory.database, "c-1").run(statement)


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_statement_that_ends_the_transaction_leaves_neither_effect_nor_reply(
    inventory: Warehouse, *, goes_on: bool
) -> None:
    async def reserve_wrongly(command: ReserveStock, session: SqliteSession) -> StockReserved:
        with suppress(sqlite3.IntegrityError):
            await session.run("INSERT OR ROLLBACK INTO effect VALUES (NULL, 1)")
        if goes_on:
            await session.run("INSERT INTO effect VALUES (?, 1)", command.order_id)
        return StockReserved(reservation_id="r-1")

    await inventory.database.call(lambda db: db.executescript("DROP TABLE effect; CREATE TABLE effect (c NOT NULL, n)"))
    inventory.participant = Participant("warehouse", transactional(ReserveStock, reserve_wrongly))
    inventory.batch = Batch(inventory.participant, inventory.database)
    with pytest.raises((RuntimeError, sqlite3.Error)):
        await inventory.receives(reserve("c-1"))

    assert await inventory.effects() == {}
    assert await inventory.sent() == []


RECORDS = {
    "c-1": reserve("c-1"),
    "u-1": release("u-1", "c-1"),
    "u-2": release("u-2", "c-1"),
    "c-2": reserve("c-2"),
    "v-1": release("v-1", "c-2"),
}
OUTCOMES = st.sampled_from([None, None, REFUSED, RuntimeError("broken")])


@settings(max_examples=150, deadline=None)
@given(
    batches=st.lists(st.lists(st.sampled_from(sorted(RECORDS)), min_size=1, max_size=5), min_size=1, max_size=5),
    outcomes=st.lists(OUTCOMES, max_size=8),
)
def test_in_every_order_an_effect_is_once_and_none_is_left_after_its_compensation(
    batches: list[list[str]], outcomes: list[Exception | None]
) -> None:
    asyncio.run(check_order(batches, outcomes))


async def check_order(batches: list[list[str]], outcomes: list[Exception | None]) -> None:
    """Each batch begins with what the one before it has postponed, as the runner does it."""
    async with warehouse(Path(":memory:")) as inventory:
        inventory.outcomes = outcomes  # type: ignore[assignment]  # None is a success, like the end of the list
        postponed: list[IncomingCommand[SqliteSession]] = []
        for names in batches:
            while postponed:
                postponed = [*await inventory.batch.execute(postponed)]
            postponed = [*await inventory.receives(*[RECORDS[name] for name in names])]
        while postponed:
            postponed = [*await inventory.batch.execute(postponed)]
        await check_outcome(inventory, [name for names in batches for name in names])


async def check_outcome(inventory: Warehouse, delivered: list[str]) -> None:
    effects, replies = await inventory.effects(), await inventory.replies()
    assert sorted(causation for causation, *_ in replies) == sorted(delivered)
    for name in set(delivered):
        assert len({reply for reply in replies if reply[0] == name}) == 1
    for original, compensations in {"c-1": {"u-1", "u-2"}, "c-2": {"v-1"}}.items():
        reserved = any((original, RESERVED[0]) == (reply[0], reply[1]) for reply in replies)
        undone = any(reply[0] in compensations and reply[1:] == DONE for reply in replies)
        expected = [1, -1] if reserved and undone else [1] if reserved else []
        assert effects.get(original, []) == expected
