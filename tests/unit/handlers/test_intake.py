"""A batch of records is taken in by one transaction, whatever it is a mixture of."""

from pathlib import Path

from msgspec import structs

from saga_coordinator.handlers.records import Record
from tests.unit.handlers._support.coordinator import TIME, Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import (
    EVENTS,
    OUTCOMES,
    REPLIES,
    Log,
    command_id,
    header,
    instance_id,
    type_of,
)

RESERVE, CHARGE = "inventory.reserve-stock.v1", "payments.charge-card.v1"
SHIP, NOTIFY = "shipping.ship-order.v1", "notifications.notify-customer.v1"


async def test_an_order_goes_from_event_to_outcome(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    for step in (RESERVE, CHARGE, SHIP, NOTIFY):
        await coordinator.take(log.answer(coordinator.sent(step)[0]))

    assert coordinator.types() == [RESERVE, CHARGE, SHIP, NOTIFY, "orders.order-confirmed.v1"]
    assert coordinator.status() == "completed"
    outcome = coordinator.messages[-1]
    assert (outcome.topic, outcome.key) == (OUTCOMES, b"o-1")
    assert outcome.value == b'{"order_id":"o-1","tracking":"T-1"}'


async def test_a_command_carries_every_header_of_the_conversation(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    (charge,) = coordinator.sent(CHARGE)

    assert charge.message_id == command_id("o-1", "charge-card")
    headers = {name: (raw or b"").decode() for name, raw in charge.headers}
    assert len(headers) == len(charge.headers)
    assert headers.pop("traceparent").startswith("00-")
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": command_id("o-1", "charge-card"),
        "ce_source": "/saga-coordinator/order-fulfilment",
        "ce_type": CHARGE,
        "ce_time": TIME.isoformat().replace("+00:00", "Z"),
        "ce_subject": "o-1",
        "content-type": "application/json",
        "ce_correlationid": instance_id("o-1"),
        "ce_causationid": "placed-o-1",
        "ce_replyto": REPLIES,
        "ce_sagastep": "charge-card",
        "ce_sagadirection": "forward",
        "ce_attempt": "1",
    }


async def test_a_mixed_batch_is_one_transaction_with_one_verdict_each_i11(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed("o-1"))
    reserve, charge = coordinator.messages
    batch = (
        log.placed("o-2"),
        log.answer(reserve),
        log.record(EVENTS, "o-3", b"not json", ()),
        log.refuse(charge),
        log.cancelled("o-4", partition=1),
        log.reply(charge, "payments.card-charged.v1", b"{}"),
        log.answer(structs.replace(charge, message_id="nobody's")),
    )
    turns = len(coordinator.watcher.turns)
    await coordinator.take(*batch)

    assert len(coordinator.watcher.turns) == turns + 1
    verdicts = [[each.verdict for each in coordinator.verdicts(record.place)] for record in batch]
    assert verdicts == [
        ["applied"],
        ["applied"],
        ["dead-lettered"],
        ["applied"],
        ["buffered"],
        ["dead-lettered"],
        ["unmatched"],
    ]
    assert (coordinator.status("o-1"), coordinator.status("o-2")) == ("compensating", "running")
    assert dict(coordinator.leases.offsets()) == {(EVENTS, 0): 3, (EVENTS, 1): 1, (REPLIES, 0): 4}
    stored = coordinator.rows("SELECT topic, partition, next_offset FROM lease")
    assert {(topic, partition): end for topic, partition, end in stored if end} == dict(coordinator.leases.offsets())


async def test_two_starts_of_one_order_in_one_batch_start_it_once_i5(coordinator: Coordinator) -> None:
    log = Log()
    first, second = log.placed(partition=0), log.placed(partition=1)
    await coordinator.take(first, second)
    assert coordinator.types() == [RESERVE, CHARGE]
    assert [each.verdict for each in coordinator.verdicts(first.place) + coordinator.verdicts(second.place)] == [
        "applied",
        "duplicate",
    ]
    await coordinator.take(log.placed())
    assert coordinator.rows("SELECT count(*) FROM instance") == [(1,)]


async def test_a_reply_that_comes_twice_is_applied_once_in_one_batch_and_in_two_i10(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    reserve, _ = coordinator.messages
    once, twice = log.answer(reserve), log.answer(reserve)
    await coordinator.take(once, twice)
    before = await coordinator.stored(instance_id("o-1"))
    thrice = log.answer(reserve)
    await coordinator.take(thrice)
    after = await coordinator.stored(instance_id("o-1"))

    verdicts = [coordinator.verdict(record.place).verdict for record in (once, twice, thrice)]
    assert verdicts == ["applied", "duplicate", "duplicate"]
    assert after.instance == before.instance
    assert coordinator.types() == [RESERVE, CHARGE]


async def test_a_reply_to_a_superseded_attempt_is_recorded_and_ignored_i10(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    (first,) = coordinator.sent(CHARGE)
    await coordinator.take(log.refuse(first, retryable=True))
    coordinator.clock.time = (await coordinator.stored(instance_id("o-1"))).instance.next_timer_at or TIME
    await coordinator.fire_due()
    assert coordinator.sent(CHARGE)[-1].message_id == command_id("o-1", "charge-card", attempt=2)

    late = log.refuse(first, retryable=True)
    await coordinator.take(late)
    verdict, reason = coordinator.verdict(late.place)
    assert verdict == "ignored"
    assert reason == "superseded: it answers attempt 1 of charge-card (forward)"


async def test_a_large_order_is_reviewed_before_it_ships(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed(total="1000"))
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    assert coordinator.types()[2:] == ["reviews.review-fraud.v1"]


async def test_members_of_a_group_are_undone_together_and_the_outcome_says_why(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    await coordinator.take(log.refuse(coordinator.sent(SHIP)[0]))
    undone = coordinator.types()[3:]
    assert sorted(undone) == ["inventory.release-stock.v1", "payments.refund-card.v1"]
    assert [header(row, "ce_compensates") for row in coordinator.sent("payments.refund-card.v1")] == [
        command_id("o-1", "charge-card")
    ]
    await coordinator.take(*(log.answer(command) for command in coordinator.messages[3:]))

    assert coordinator.status() == "compensated"
    assert coordinator.messages[-1].value == (
        b'{"order_id":"o-1","step":"ship-order","code":"no-carrier","message":"nobody goes there"}'
    )


async def test_an_event_in_structured_mode_starts_an_order_too(coordinator: Coordinator) -> None:
    log = Log()
    value = b'{"specversion":"1.0","id":"s-1","source":"/shop","type":"orders.order-placed.v1","data":%b}'
    headers = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    await coordinator.take(log.record(EVENTS, "o-1", value % (log.placed().value or b""), headers))
    assert [type_of(row) for row in coordinator.messages] == [RESERVE, CHARGE]
    assert header(coordinator.messages[0], "ce_causationid") == "s-1"


async def test_batches_that_come_again_or_in_a_different_cut_change_nothing_i26(coordinator: Coordinator) -> None:
    log = Log()
    records = [log.placed(f"o-{number}") for number in range(6)]
    await coordinator.take(*records[:4])
    await coordinator.intake.receive(records[2:])
    await coordinator.intake.receive(records[:1])
    assert coordinator.rows("SELECT count(*) FROM history") == [(6,)]
    assert [len(coordinator.types(f"o-{number}")) for number in range(6)] == [2] * 6


async def test_records_of_two_partitions_in_any_order_end_alike(tmp_path: Path) -> None:
    """Partitions are read one after the other: a reply may come before an event that was written before it."""
    for name, turned in (("one", False), ("other", True)):
        log = Log()
        async with open_coordinator(tmp_path / f"{name}.db") as it:
            await it.take(log.placed("o-1"))
            records: list[Record] = [log.placed("o-2"), log.answer(it.messages[0]), log.answer(it.messages[1])]
            await it.take(*(reversed(records) if turned else records))
            assert participants(it) == (["inventory", "payments", "shipping"], ["inventory", "payments"])


def participants(it: Coordinator) -> tuple[list[str], list[str]]:
    first, second = ([type_.split(".")[0] for type_ in it.types(order)] for order in ("o-1", "o-2"))
    return first, second
