"""`saga ls`: pages of instances, what each waits for, which need attention."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import (
    completed,
    placed,
    refused_at_shipping,
    run_stories,
    shipped,
    silent_for,
    stalled,
)


def keys(listed: dict[str, list[dict[str, object]]]) -> list[object]:
    return [each["key"] for each in listed["instances"]]


def test_it_lists_the_newest_first_with_key_status_and_what_it_waits_for(saga: Saga, store: Path) -> None:
    run_stories(store, completed("o-1"), refused_at_shipping("o-2"), placed("o-3"), ago=timedelta(minutes=2))

    listed = saga.does("ls", "--json").json

    assert keys(listed) == ["o-3", "o-2", "o-1"]
    assert [each["status"] for each in listed["instances"]] == ["running", "compensated", "completed"]
    waits = [(each["step"], each["direction"], each["progress"]) for each in listed["instances"][0]["waits_for"]]
    assert waits == [("reserve-stock", "forward", "asked"), ("charge-card", "forward", "asked")]
    assert listed["instances"][2]["age_s"] == 0.2
    assert listed["instances"][2]["waits_for"] == []
    shown = saga.does("ls").out
    assert re.search(r"reserve-stock, charge-card +2 min +1", shown)
    assert "✔ completed" in shown


def test_pages_follow_each_other_without_gap_or_repeat(saga: Saga, store: Path) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(7)))
    seen: list[object] = []
    before: list[str] = []
    nexts: list[object] = []
    for expected in (3, 3, 1):
        page = saga.does("ls", "--json", "--limit", "3", *before).json
        assert len(page["instances"]) == expected
        seen += keys(page)
        nexts.append(page["next"])
        before = ["--cursor", str(page["next"])]

    assert seen == [f"o-{number}" for number in reversed(range(7))]
    assert nexts == [5, 2, None]


def test_a_page_that_is_cut_says_how_to_go_on_beside_its_output(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), placed("o-2"))

    said = saga.does("ls", "--limit", "1")

    assert "saga ls --cursor 2" in said.err
    assert "--cursor" not in said.out


def test_it_narrows_by_status_and_saga(saga: Saga, store: Path) -> None:
    run_stories(store, completed("o-1"), placed("o-2"), stalled("o-3"))

    assert keys(saga.does("ls", "--json", "--status", "completed").json) == ["o-1"]
    assert keys(saga.does("ls", "--json", "--status", "stalled").json) == ["o-3"]
    assert keys(saga.does("ls", "--json", "--saga", "another-saga").json) == []
    assert "There is no instance of saga another-saga" in saga.does("ls", "--saga", "another-saga").out


def test_a_status_that_there_is_not_is_a_wrong_command_line(saga: Saga, store: Path) -> None:
    run_stories(store)

    assert saga("ls", "--status", "finished").code == 2


def test_a_stalled_instance_needs_attention_and_one_on_its_way_does_not(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), stalled("o-2"), completed("o-3"))

    listed = saga.does("ls", "--attention", "--json").json

    assert keys(listed) == ["o-2"]
    assert listed["instances"][0]["attention"] == ["stalled"]


def test_an_overdue_timer_needs_attention(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), ago=timedelta(minutes=10))

    listed = saga.does("ls", "--attention", "--json").json

    assert listed["instances"][0]["attention"] == ["timer overdue"]


def test_a_command_sent_four_times_without_an_answer_needs_attention(saga: Saga, store: Path) -> None:
    run_stories(store, shipped("o-1"), silent_for(minutes=14), ago=timedelta(minutes=14))
    assert keys(saga.does("ls", "--attention", "--json").json) == []
    run_stories(store, silent_for(minutes=2), ago=timedelta(minutes=1))

    listed = saga.does("ls", "--attention", "--json").json

    assert listed["instances"][0]["attention"] == ["notify-customer sent 4 times"]


def test_an_empty_list_says_why(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))

    assert "No instance needs attention" in saga.does("ls", "--attention").out
    assert saga.does("ls", "--cursor", "1").out == "There is no instance before 1.\n"


def test_a_version_that_the_catalog_lacks_is_listed_and_named(
    saga: Saga, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, placed("o-1"))
    (tmp_path / "newer_catalog.py").write_text(
        "from dataclasses import replace\n"
        "from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment\n"
        "catalog = (replace(order_fulfilment, version=2),)\n"
    )
    monkeypatch.setenv("SAGA_CATALOG", "newer_catalog:catalog")

    assert "version 1 is not in the catalog" in saga.does("ls").out
    assert keys(saga.does("ls", "--json").json) == ["o-1"]
    assert "the catalog has no saga order-fulfilment version 1" in saga("show", "o-1").err


def test_what_stands_in_a_key_commands_no_terminal(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-\x1b[2J[red]\n"))

    shown = saga.does("ls").out

    assert "\x1b" not in shown
    assert "o-\\x1b[2J[red]" in shown
