"""`saga show` and `saga why`: one instance, by id or key, for people and for programs."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import (
    CHARGE,
    SHIP,
    completed,
    placed,
    refused_at_shipping,
    run_stories,
    shipped,
    silent_for,
    stalled,
)
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import Log, instance_id


async def answered_again(it: Coordinator, log: Log) -> None:
    await it.take(log.answer(it.sent(SHIP)[0]))


def test_an_instance_is_found_by_its_id_and_by_its_business_key(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), placed("o-2"))

    by_key = saga.does("show", "o-1", "--json").json
    by_id = saga.does("show", instance_id("o-1").upper(), "--json").json

    assert by_key["id"] == by_id["id"] == instance_id("o-1")
    assert by_key["data"]["customer_id"] == "customer-7"


@pytest.mark.parametrize("verb", ["show", "why"])
def test_an_instance_that_there_is_not_ends_with_1_and_says_where_it_was_looked_for(
    saga: Saga, store: Path, verb: str
) -> None:
    run_stories(store)

    said = saga(verb, "o-1")

    assert said.code == 1
    assert said.out == ""
    assert said.err == (
        "saga: no instance of order-fulfilment has the id or the key 'o-1', and no stored record has: `saga ls` lists "
        "instances\n"
    )


def test_the_history_shows_input_output_and_how_long_replies_took(saga: Saga, store: Path) -> None:
    run_stories(store, completed("o-1"))

    history = saga.does("show", "o-1", "--json").json["history"]

    assert [line["kind"] for line in history] == ["start", "answer", "answer", "answer", "answer"]
    assert [line["work_s"] for line in history] == [None, 0.05, 0.1, 0.05, 0.05]
    assert [[sent["step"] for sent in line["sent"]] for line in history] == [
        ["reserve-stock", "charge-card"], [], ["ship-order"], ["notify-customer"], [],
    ]  # fmt: skip
    assert history[-1]["outcome"] == "orders.order-confirmed.v1"
    assert history[0]["place"] == "orders.events.v1:0:0"
    assert {line["trace_id"] for line in history} == {instance_id("o-1").replace("-", "")}
    assert history[1]["value"] == {"reservation_id": "R-1"}


def test_both_lanes_stand_side_by_side(saga: Saga, store: Path) -> None:
    run_stories(store, refused_at_shipping("o-1"))

    shown = saga.does("show", "o-1").out
    steps = {each["name"]: each for each in saga.does("show", "o-1", "--json").json["steps"]}

    rows = {line.split()[0]: line.split() for line in shown.splitlines() if line}
    assert rows["reserve-stock"] == ["reserve-stock", "done", "1", "0", "ms", "undone", "1", "0", "ms"]
    assert rows["ship-order"] == ["ship-order", "(pivot)", "refused", "1", "0", "ms"]
    assert rows["review-fraud"] == ["review-fraud", "not", "reached"]
    assert "ship-order: refused, no-carrier: nobody goes there (is final)" in shown
    assert steps["charge-card"]["compensation"]["progress"] == "done"
    assert steps["ship-order"]["pivot"] is True


def test_the_work_of_a_step_is_not_the_time_of_its_retries(saga: Saga, store: Path) -> None:
    async def charged(it: Coordinator, log: Log) -> None:
        it.clock.pass_by(timedelta(milliseconds=50))
        await it.take(log.answer(it.sent(CHARGE)[-1]))

    run_stories(store, placed("o-1"), silent_for(2), charged)

    steps = {each["name"]: each["forward"] for each in saga.does("show", "o-1", "--json").json["steps"]}
    rows = {line.split()[0]: line.split()[1:] for line in saga.does("show", "o-1").out.splitlines() if line}

    assert "a timer fired: charge-card was due" in saga.does("show", "o-1").out
    assert (steps["charge-card"]["work_s"], steps["charge-card"]["retry_s"]) == (0.05, 120.0)
    assert rows["step"] == ["forward", "sent", "work", "retry", "compensation"]
    assert rows["charge-card"] == ["done", "2", "50", "ms", "2", "min", "not", "sent"]
    assert rows["reserve-stock"] == ["awaited", "1", "not", "sent"]


def test_a_message_that_changed_nothing_stands_in_the_journal_with_its_verdict(saga: Saga, store: Path) -> None:
    run_stories(store, shipped("o-1"), answered_again)

    last = saga.does("show", "o-1", "--json").json["history"][-1]

    assert (last["verdict"], last["reason"]) == ("duplicate", "duplicate: ship-order was answered before")
    assert "[duplicate] ship-order was answered before" in saga.does("show", "o-1").out


def test_a_long_history_is_cut_to_its_newest_entries_and_says_so(saga: Saga, store: Path) -> None:
    run_stories(store, completed("o-1"))

    shown = saga.does("show", "o-1", "--history", "2").out

    assert "its last 2 of 5 entries" in shown
    assert "started by" not in shown
    assert saga("show", "o-1", "--history", "0").code == 2


def test_why_of_a_running_instance_shows_its_wait_since_when_and_what_follows(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), ago=timedelta(seconds=35))

    said = saga.does("why", "o-1")
    shown = saga.does("why", "o-1", "--json").json

    assert "It has waited for reserve-stock (inventory.reserve-stock.v1) since" in said.out
    assert "(35" in said.out
    assert (shown["id"], shown["status"]) == (instance_id("o-1"), "running")
    assert shown["why"].startswith("order-fulfilment o-1 has been running since")


def test_why_of_a_stalled_instance_names_what_is_not_undone(saga: Saga, store: Path) -> None:
    run_stories(store, stalled("o-1"))

    shown = saga.does("why", "o-1").out

    assert "because charge-card failed with no-carrier: its compensation failed: nobody goes there." in shown
    assert "Rollback incomplete, not undone: charge-card." in shown


def test_an_outcome_that_is_not_yet_published_is_shown_as_such(saga: Saga, store: Path) -> None:
    run_stories(store, completed("o-1"))

    shown = saga.does("why", "o-1").out

    assert "orders.order-confirmed.v1 is not yet published to saga.order-fulfilment.outcomes.v1." in shown
