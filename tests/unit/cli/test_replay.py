"""`saga replay`: recorded histories decided once more, by their own definition and by another."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import completed, placed, refused_at_shipping, run_stories, shipped, stalled
from tests.unit.handlers._support.order_log import instance_id

ALL = (placed("o-1"), shipped("o-2"), completed("o-3"), refused_at_shipping("o-4"), stalled("o-5"))
QUIET = ("--against", "tests.unit.cli._support.versions:quiet")


def test_by_their_own_definition_all_is_decided_as_recorded(saga: Saga, store: Path) -> None:
    run_stories(store, *ALL)

    assert saga.does("replay").out == "5 instances, 22 entries: all decided as recorded.\n"
    assert saga.does("replay", "o-3").out == "1 instances, 5 entries: all decided as recorded.\n"
    assert saga.does("replay", "--json").json == {"ok": True, "instances": 5, "entries": 22, "differ": []}


def test_by_another_definition_the_first_different_decision_of_each_is_reported(saga: Saga, store: Path) -> None:
    run_stories(store, *ALL)
    before = store.read_bytes()

    said, shown = saga("replay", *QUIET), saga("replay", *QUIET, "--json")

    assert (said.code, shown.code) == (1, 1)
    assert said.err == "5 instances, 22 entries: 2 of them would be decided otherwise.\n"
    assert "now       completed; publishes orders.order-confirmed.v1" in said.out
    assert "recorded  running; sends notify-customer (forward, attempt 1)" in said.out
    differ = shown.json["differ"]
    assert [(each["key"], each["seq"], each["kind"]) for each in differ] == [("o-3", 4, "answer"), ("o-2", 4, "answer")]
    assert differ[1]["id"] == instance_id("o-2")
    assert differ[1]["now"] == {"status": "completed", "outcome": "orders.order-confirmed.v1"}
    assert store.read_bytes() == before


def test_one_instance_alone_is_compared(saga: Saga, store: Path) -> None:
    run_stories(store, *ALL)

    assert saga.does("replay", "o-4", *QUIET).code == 0
    assert saga("replay", "o-2", *QUIET).code == 1
    assert saga("replay", "o-9", *QUIET).code == 1


def test_other_data_behind_the_same_decisions_are_found(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, shipped("o-1"))
    monkeypatch.setenv("SAGA_CATALOG", "tests.unit.cli._support.versions:forgetful")

    said = saga("replay")

    assert said.code == 1
    assert "every decision is the same, but it would remember other data" in said.out


def test_a_state_that_cannot_be_read_is_reported_with_what_is_wrong_and_where(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE instance SET state = json_set(state, '$.status', 7)")

    shown = saga("replay", "--json")

    assert shown.code == 1
    wrong = "its stored state: status: Expected `str`, got `int`"
    assert shown.json["differ"][0]["why"] == f"it cannot be read any more: {wrong}"


def test_a_definition_that_the_catalog_lacks_is_reported(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, placed("o-1"))
    monkeypatch.setenv("SAGA_CATALOG", "saga_coordinator.sagas.catalog.examples:catalog")

    shown = saga("replay", "--json")

    assert shown.code == 1
    assert shown.json["differ"][0]["why"] == "the catalog has no saga order-fulfilment version 1"


def test_a_definition_of_another_saga_is_refused(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))

    said = saga(
        "replay",
        instance_id("o-1"),
        "--saga",
        "order-fulfilment",
        "--against",
        "saga_coordinator.sagas.catalog.release:release",
    )

    assert said.code == 1
    assert "replay it against a version of its own saga" in said.err
