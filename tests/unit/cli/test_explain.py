"""`saga explain`: every record has one verdict (I11), which is shown with its reason."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import CHARGE, RESERVE, SHIP, placed, run_stories, shipped
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import EVENTS, REPLIES, Log, attributes, command_id, instance_id


def explained(saga: Saga, place: str) -> dict[str, object]:
    """Return the explanation of a record that concerns one instance at most."""
    (shown,) = saga.does("explain", place, "--json").json
    assert isinstance(shown, dict)
    assert shown["place"] == place
    return shown


def test_applied_names_the_instance(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))

    shown = explained(saga, f"{EVENTS}:0:0")

    assert (shown["verdict"], shown["instances"]) == ("applied", [instance_id("o-1")])
    assert (shown["message_id"], shown["message_type"]) == ("placed-o-1", "orders.order-placed.v1")
    assert "its instance" in saga.does("explain", f"{EVENTS}:0:0").out


def test_duplicate_and_ignored_say_why(saga: Saga, store: Path) -> None:
    async def late(it: Coordinator, log: Log) -> None:
        await it.take(log.answer(it.sent(SHIP)[0]), log.cancelled("o-1"))

    run_stories(store, shipped("o-1"), late)

    duplicate = explained(saga, f"{REPLIES}:0:3")
    past = explained(saga, f"{EVENTS}:0:1")

    assert (duplicate["verdict"], duplicate["reason"]) == ("duplicate", "duplicate: ship-order was answered before")
    assert past["verdict"] == "ignored"
    assert past["reason"] == "past the pivot: the pivot was sent: there is no way back"


def test_an_unreadable_reply_is_listed_with_the_instance_that_it_names(saga: Saga, store: Path) -> None:
    async def unreadable(it: Coordinator, log: Log) -> None:
        reply = log.answer(it.sent(RESERVE)[0])
        await it.take(reply._replace(value=b"no JSON"))

    run_stories(store, placed("o-1"), unreadable)

    [listed] = saga.does("dead-letters", "ls", "--json").json["dead_letters"]
    assert (listed["instance"], listed["parks"]) == (instance_id("o-1"), False)


def test_buffered_says_for_which_instance_and_until_when_and_keeps_the_record(saga: Saga, store: Path) -> None:
    async def early(it: Coordinator, log: Log) -> None:
        await it.take(log.cancelled("o-9"))

    run_stories(store, early)

    shown = explained(saga, f"{EVENTS}:0:0")

    assert shown["verdict"] == "buffered"
    assert str(shown["reason"]).startswith(f"no instance waits at {instance_id('o-9')} for it yet; it is kept until")
    assert shown["record"] == {
        "key": "o-9",
        "headers": [
            ["ce_specversion", "1.0"], ["ce_id", "cancelled-o-9"], ["ce_source", "/test"],
            ["ce_type", "orders.order-cancelled.v1"],
        ],
        "value": '{"order_id": "o-9", "reason": "changed my mind"}',
    }  # fmt: skip


def test_unmatched_names_the_instances_that_wait_for_such_a_reply(saga: Saga, store: Path) -> None:
    async def astray(it: Coordinator, log: Log) -> None:
        await it.take(log.answer(it.sent(RESERVE, "o-1")[0], ce_correlationid=instance_id("nobody")))

    run_stories(store, placed("o-1"), placed("o-2"), shipped("o-3"), astray)

    shown = explained(saga, f"{REPLIES}:0:3")

    assert shown["verdict"] == "unmatched"
    assert shown["reason"] == f"there is no instance {instance_id('nobody')} (ce_correlationid)"
    candidates = shown["candidates"]
    assert isinstance(candidates, list)
    assert [each["key"] for each in candidates] == ["o-2", "o-1"]
    assert candidates[0]["waits_for"][0].startswith("reserve-stock for")
    assert "nearest instances" in saga.does("explain", f"{REPLIES}:0:3").out


def test_a_reply_to_a_command_that_was_never_sent_names_its_instance(saga: Saga, store: Path) -> None:
    async def unknown(it: Coordinator, log: Log) -> None:
        await it.take(log.answer(it.sent(CHARGE, "o-1")[0], ce_causationid=command_id("o-1", "charge-card", attempt=9)))

    run_stories(store, placed("o-1"), unknown)

    shown = explained(saga, f"{REPLIES}:0:0")

    assert shown["verdict"] == "unmatched"
    assert shown["instances"] == [instance_id("o-1")]


def test_dead_lettered_says_the_cause_and_shows_the_bytes_without_commanding_the_terminal(
    saga: Saga, store: Path
) -> None:
    async def poison(it: Coordinator, log: Log) -> None:
        await it.take(log.record(EVENTS, "o-1", b"\x1b[31mnot JSON \xff", (("ce_id", b"\x1b"),)))

    run_stories(store, placed("o-1"), poison)

    explanation = explained(saga, f"{EVENTS}:0:1")
    shown = saga.does("explain", f"{EVENTS}:0:1").out

    assert explanation["verdict"] == "dead-lettered"
    assert "ce_specversion" in str(explanation["reason"])
    assert "\x1b" not in shown
    assert "\\x1b[31mnot JSON \\xff" in shown
    assert [each["key"] for each in explanation["candidates"]] == ["o-1"]  # type: ignore[attr-defined]  # JSON has no types


@pytest.mark.parametrize(
    ("place", "verdict", "reason"),
    [
        (f"{EVENTS}:0:1", "not processed yet", "the partition is processed up to 1"),
        (f"{EVENTS}:7:0", "not read", "of orders.events.v1 this database has partitions [0], not 7"),
        ("saga.replies.v1:0:0", "not processed yet", "the partition is processed up to nothing yet"),
        ("shipping.commands.v1:0:0", "not read", "this coordinator writes shipping.commands.v1"),
        ("weather.v1:0:0", "not read", "no saga of the catalog reads weather.v1: it reads orders.events.v1"),
    ],
)
def test_a_record_without_a_verdict_says_why_there_is_none(
    saga: Saga, store: Path, place: str, verdict: str, reason: str
) -> None:
    run_stories(store, placed("o-1"))

    shown = explained(saga, place)

    assert shown["verdict"] == verdict
    assert reason in str(shown["reason"])


def test_a_record_of_which_nothing_is_stored_was_ignored_or_is_none(saga: Saga, store: Path) -> None:
    async def praised(it: Coordinator, log: Log) -> None:
        unwanted = log.record(EVENTS, "o-2", b"{}", tuple(attributes("e", "orders.order-praised.v1").items()))
        await it.take(unwanted, log.placed("o-2"))

    run_stories(store, placed("o-1"), praised)

    shown = explained(saga, f"{EVENTS}:0:1")
    assert shown["verdict"] == "ignored"
    assert "wanted on orders.events.v1 are orders.order-cancelled.v1, orders.order-placed.v1" in str(shown["reason"])
    assert "a transaction's marker or was compacted away" in str(shown["reason"])


def test_an_event_that_was_buffered_has_the_verdict_that_it_got_in_the_end(saga: Saga, store: Path) -> None:
    async def too_early(it: Coordinator, log: Log) -> None:
        await it.take(log.cancelled("o-1"), log.cancelled("never"))
        await it.take(log.placed("o-1"))
        it.clock.pass_by(timedelta(hours=2))
        await it.fire_due()

    run_stories(store, too_early)

    assert explained(saga, f"{EVENTS}:0:0")["verdict"] == "applied"
    assert explained(saga, f"{EVENTS}:0:1")["verdict"] == "unmatched"


@pytest.mark.parametrize("place", ["", "orders", "orders:0", "orders:0:x", "orders:-1:0", "a b:0:0", "orders:0:0:"])
def test_what_is_no_place_is_a_wrong_command_line(saga: Saga, store: Path, place: str) -> None:
    run_stories(store)

    said = saga("explain", place)

    assert said.code == 2
    assert "TOPIC:PARTITION:OFFSET" in said.err
