"""A topic is shared: what no saga wants is ignored and counted, and what was meant for somebody else is unmatched."""

import json
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import RawHeaders
from saga_coordinator.handlers.routing import Routes, UnwantedPolicy
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.telemetry.measures import Measures
from tests.unit.handlers._support.coordinator import Coordinator, Verdict, open_coordinator
from tests.unit.handlers._support.order_log import EVENTS, Log, attributes, instance_id, placed_value

PRAISED = "orders.order-praised.v1"
RESERVED = "inventory.stock-reserved.v1"
TOMBSTONE = "the record has no value (a tombstone)"
STRUCTURED = (("content-type", b"application/cloudevents+json"),)


def headers(type_: str) -> RawHeaders:
    """Return the headers of an event."""
    return tuple(attributes("m-1", type_).items())


def not_wanted(type_: str) -> str:
    """Return the reason why an event is ignored."""
    wanted = "orders.order-cancelled.v1, orders.order-placed.v1"
    return f"ce_type {type_!r} is not wanted on {EVENTS}: wanted are {wanted}"


WITHOUT_DATA = json.dumps({"specversion": "1.0", "id": "m-1", "source": "/test", "type": PRAISED}).encode()
UNWANTED: dict[str, tuple[bytes | None, RawHeaders, str]] = {
    "a tombstone": (None, headers("orders.order-placed.v1"), TOMBSTONE),
    "a tombstone without headers": (None, (), TOMBSTONE),
    "an unknown ce_type": (placed_value("o-1"), headers(PRAISED), not_wanted(PRAISED)),
    "an unknown ce_type that is not JSON": (b"\0\xff", headers(PRAISED), not_wanted(PRAISED)),
    "an unknown ce_type in structured mode": (WITHOUT_DATA, STRUCTURED, not_wanted(PRAISED)),
    "the ce_type of a reply": (b"{}", headers("saga.done.v1"), not_wanted("saga.done.v1")),
}


@pytest.mark.parametrize("case", UNWANTED)
async def test_what_no_saga_wants_is_ignored_and_counted_and_nothing_is_stored_of_it_i11(
    coordinator: Coordinator, case: str
) -> None:
    value, raw, reason = UNWANTED[case]
    log, measures = Log(), Measures()
    unwanted = log.record(EVENTS, "o-1", value, raw)
    before = coordinator.everything()
    await coordinator.take(unwanted, log.placed("o-9"))

    assert coordinator.verdict(unwanted.place) == Verdict("ignored", reason)
    measures.on_commit(coordinator.watcher.turns[0])
    assert measures.verdicts == {(EVENTS, "ignored"): 1}
    changed = {name for name, rows in coordinator.everything().items() if rows != before[name]}
    assert changed == {"instance", "history", "outbox", "lease"}, "the order's alone"
    assert dict(coordinator.leases.offsets()) == {(EVENTS, 0): 2}


@pytest.mark.parametrize("case", UNWANTED)
async def test_what_no_saga_wants_is_dead_lettered_where_that_is_asked_for(tmp_path: Path, case: str) -> None:
    value, raw, reason = UNWANTED[case]
    log, routes = Log(), Routes([order_fulfilment], unknown_types=UnwantedPolicy.DEAD_LETTER)
    async with open_coordinator(tmp_path / "saga.db", routes=routes) as it:
        unwanted = log.record(EVENTS, "o-1", value, raw)
        await it.take(unwanted, log.placed("o-9"))
        verdict, cause = it.verdict(unwanted.place)
        assert verdict == "dead-lettered"
        assert (cause or "").startswith(reason)
        assert [row.value for row in it.messages if row.topic == f"{EVENTS}-dlt"] == [value]
        assert it.status("o-9") == "running"


async def test_a_tombstone_on_the_reply_topic_is_ignored_i11(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    waiting = await coordinator.stored(instance_id("o-1"))
    tombstone = log.reply(coordinator.messages[0], RESERVED, None)
    await coordinator.take(tombstone)
    assert coordinator.verdict(tombstone.place) == Verdict("ignored", TOMBSTONE)
    assert await coordinator.stored(instance_id("o-1")) == waiting


async def test_a_bad_reply_to_an_instance_of_somebody_else_is_unmatched_and_not_published(
    coordinator: Coordinator,
) -> None:
    log = Log()
    theirs = instance_id("of another coordinator")
    await coordinator.take(log.placed())
    command, sent = coordinator.messages[0], len(coordinator.messages)
    replies = [
        log.reply(command, "their.own-reply.v1", b"{}", ce_correlationid=theirs),
        log.reply(command, RESERVED, b"reserved!", ce_correlationid=theirs),
        log.reply(command, RESERVED, b"{}", ce_correlationid=theirs),
        log.answer(command, ce_causationid="", ce_correlationid=theirs),
    ]
    await coordinator.take(*replies)
    unmatched = Verdict("unmatched", f"there is no instance {theirs} (ce_correlationid)")
    assert [coordinator.verdict(each.place) for each in replies] == [unmatched] * 4
    assert len(coordinator.messages) == sent
