"""`saga dead-letters`: records are listed, shown, edited, redriven and discarded, with actor and reason."""

import getpass
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Record
from saga_coordinator.sagas.machine import instance_id
from tests.unit.cli._support.running import Running, running
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import placed, run_stories
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.faulty import BAD, OF_CATALOG, RAISED
from tests.unit.handlers._support.order_log import EVENTS, Log, placed_value

WHY = ("--reason", "the definition is corrected", "--who", "olga")


@pytest.fixture
def beside(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A coordinator whose bad instance is parked behind one record, with one more in its queue, and one unreadable."""
    monkeypatch.setenv("SAGA_CATALOG", "tests.unit.handlers._support.faulty:catalog")
    with running(store) as coordinator:
        monkeypatch.setenv("SAGA_API__BIND", coordinator.bind)
        yield coordinator


def parked(beside: Running) -> tuple[Record, Record, Record]:
    """Let one record fail, one be queued, and one be unreadable."""
    two = beside.two
    records = two.says("a"), two.says("b"), two.log.reply(two.command("b", "good"), "made.did.v1", b'{"word": 1}')
    beside.does(lambda: beside.it.take(*records))
    return records


def test_they_are_listed_newest_first_with_what_waits(saga: Saga, beside: Running) -> None:
    failing, _, unreadable = parked(beside)
    shown = saga.does("dead-letters", "ls", "--json").json

    assert [(each["place"], each["instance"], each["parks"], each["waiting"]) for each in shown["dead_letters"]] == [
        (str(unreadable.place), instance_id("made", "good"), False, 0),
        (str(failing.place), BAD, True, 1),
    ]
    assert shown["next"] is None
    shown = saga.does("dead-letters", "ls").out
    assert "saga made raised ArithmeticError: on purpose" in shown
    assert str(failing.place) in shown


def test_they_are_filtered_and_paged(saga: Saga, beside: Running) -> None:
    failing, _, unreadable = parked(beside)

    def places(*options: str) -> list[str]:
        return [each["place"] for each in saga.does("dead-letters", "ls", "--json", *options).json["dead_letters"]]

    assert places("--cause", "ArithmeticError") == [str(failing.place)]
    assert places("--instance", BAD) == [str(failing.place)]
    assert places("--topic", "orders.events.v1") == []
    assert places("--cause", "%") == []
    first = saga.does("dead-letters", "ls", "--limit", "1", "--json").json
    assert places("--cursor", first["next"]) == [str(failing.place)]
    assert [each["place"] for each in first["dead_letters"]] == [str(unreadable.place)]
    assert saga("dead-letters", "ls", "--cursor", "x:y").code == 2


def test_an_empty_list_says_so(saga: Saga, store: Path) -> None:
    run_stories(store)
    assert saga.does("dead-letters", "ls").out == "There is no dead letter.\n"
    assert saga.does("dead-letters", "ls", "--cause", "x").out == "There is no dead letter like this.\n"


def test_one_is_shown_whole_and_commands_no_terminal(saga: Saga, store: Path) -> None:
    async def poison(it: Coordinator, log: Log) -> None:
        await it.take(log.record(EVENTS, "o-1", b"\x1b[31mnot JSON \xff", (("ce_id", b"\x1b"),)))

    run_stories(store, poison)
    shown = saga.does("dead-letters", "show", f"{EVENTS}:0:0").out
    assert "header ce_specversion is missing" in shown
    assert "\x1b" not in shown
    assert "\\x1b[31mnot JSON \\xff" in shown


def test_it_shows_what_waits_behind_it(saga: Saga, beside: Running) -> None:
    failing, later, _ = parked(beside)
    (shown,) = saga.does("dead-letters", "show", str(failing.place), "--json").json
    assert (shown["instance"], shown["parks"], shown["queue"]) == (BAD, True, [str(later.place)])
    assert shown["record"]["value"] == (failing.value or b"").decode()
    assert f"waiting behind it: 1\n  {later.place}" in saga.does("dead-letters", "show", str(failing.place)).out


def test_what_is_none_says_what_it_is(saga: Saga, beside: Running) -> None:
    _, later, _ = parked(beside)
    queued = saga("dead-letters", "show", str(later.place))
    assert (queued.code, f"{later.place} is queued for instance {BAD}" in queued.err) == (1, True)
    assert "is no dead letter" in saga("dead-letters", "show", "made.events.v1:0:0").err


def test_redriven_it_is_applied_and_so_is_what_waited(saga: Saga, beside: Running) -> None:
    failing, later, _ = parked(beside)
    again = saga("dead-letters", "redrive", str(failing.place), *WHY)
    assert (again.code, again.err) == (1, f"{failing.place}: failed again: {RAISED}\n")

    OF_CATALOG.heal()
    dry = saga.does("dead-letters", "redrive", str(failing.place), "--dry-run").out
    assert f"{later.place} would be applied" in dry
    done = saga.does("dead-letters", "redrive", str(failing.place), *WHY).out
    assert f"{failing.place}: done\n  {failing.place} applied\n  {later.place} applied\n  sent: made.do-z.v1" in done

    (shown,) = saga.does("explain", str(failing.place), "--json").json
    assert shown["verdict"] == "applied"
    assert [line.split(" at ")[0] for line in shown["audit"]] == [
        "redriven, and failed again by olga",
        "redriven by olga",
    ]
    assert "redriven by olga" in saga.does("explain", str(failing.place)).out


def test_the_head_of_an_instance_is_redriven_by_its_id(saga: Saga, beside: Running) -> None:
    failing, _, _ = parked(beside)
    OF_CATALOG.heal()
    (shown,) = saga.does("dead-letters", "redrive", "--instance", BAD, *WHY, "--json").json
    assert (shown["place"], shown["end"], len(shown["records"])) == (str(failing.place), "done", 2)
    none = saga("dead-letters", "redrive", "--instance", BAD, *WHY)
    assert (none.code, "is not parked" in none.err) == (1, True)


def test_all_of_a_cause_are_redriven_each_with_its_result(saga: Saga, beside: Running) -> None:
    failing, _, unreadable = parked(beside)
    OF_CATALOG.heal()
    said = saga("dead-letters", "redrive", "--all", "--cause", "o", *WHY, "--json")
    assert said.code == 1
    assert [(each["place"], each["end"]) for each in said.json] == [
        (str(failing.place), "done"),
        (str(unreadable.place), "failed again"),
    ]
    assert saga.does("dead-letters", "redrive", "--all", "--cause", "no such", *WHY).out == (
        "No dead letter has this cause.\n"
    )


def test_one_in_the_queue_is_refused_naming_the_one_before_it(saga: Saga, beside: Running) -> None:
    failing, later, _ = parked(beside)
    said = saga("dead-letters", "redrive", str(later.place), *WHY)
    assert said.code == 1
    assert said.err == f"refused: {later.place} is queued for instance {BAD}: {failing.place} stands before it\n"


def test_an_edit_shows_the_difference_and_keeps_the_original(saga: Saga, beside: Running, tmp_path: Path) -> None:
    _, _, unreadable = parked(beside)
    place, better = str(unreadable.place), tmp_path / "better.json"
    better.write_text('{"word": "one"}')
    worse = tmp_path / "worse.json"
    worse.write_text('{"word": 2}')

    refused = saga("dead-letters", "edit", place, "--value", str(worse), *WHY)
    assert (refused.code, "refused: Did: word: Input should be a valid string" in refused.err) == (1, True)
    shown = saga.does("dead-letters", "edit", place, "--value", str(better), *WHY).out
    assert '-  "word": 1\n+  "word": "one"' in shown
    assert saga.does("dead-letters", "redrive", place, *WHY).code == 0
    (shown,) = saga.does("explain", place, "--json").json
    assert (shown["verdict"], [line.split(" at ")[0] for line in shown["audit"]]) == (
        "applied",
        ["edited by olga", "redriven by olga"],
    )
    assert beside.it.rows("SELECT before FROM dead_letter_audit") == [(unreadable.value,), (b'{"word": "one"}',)]


def test_a_discarded_one_stays_explained(saga: Saga, beside: Running) -> None:
    failing, later, _ = parked(beside)
    said = saga.does("dead-letters", "discard", str(failing.place), "--reason", "a test order", "--json").json
    assert [(each["place"], each["verdict"]) for each in said["records"]] == [
        (str(later.place), "applied"),
        (str(failing.place), "dead-lettered"),
    ]
    (shown,) = saga.does("explain", str(failing.place), "--json").json
    assert shown["verdict"] == "dead-lettered"
    assert shown["reason"].startswith(f"discarded by {getpass.getuser()}: a test order")


def test_a_queued_record_is_explained_by_what_it_stands_behind(saga: Saga, beside: Running) -> None:
    failing, later, _ = parked(beside)
    last = beside.two.stopped()
    beside.does(lambda: beside.it.take(last))
    (shown,) = saga.does("explain", str(last.place), "--json").json
    assert (shown["verdict"], shown["instances"]) == ("buffered", [BAD])
    assert shown["reason"] == (
        f"instance {BAD} is parked behind {failing.place} ({RAISED}); this record is queued for it,"
        f" directly behind {later.place}"
    )


def test_ls_show_and_why_report_a_parked_instance(saga: Saga, beside: Running) -> None:
    failing, _, _ = parked(beside)
    listed = saga.does("ls", "--attention", "--json").json
    assert [(each["key"], each["attention"]) for each in listed["instances"]] == [
        ("bad", [f"parked behind {failing.place}"])
    ]
    shown = saga.does("show", "bad", "--json").json
    assert (shown["parked"]["behind"], shown["parked"]["waiting"]) == (str(failing.place), 1)
    why = saga.does("why", "bad").out
    assert f"behind {failing.place}: {RAISED}. 1 later record queued behind it, in order" in why
    assert f"parked behind {failing.place}" in saga.does("ls").out
    assert saga.does("show", "good", "--json").json["parked"] is None


def test_a_record_from_before_the_first_that_was_read_says_so(saga: Saga, store: Path) -> None:
    async def after_retention(it: Coordinator, log: Log) -> None:
        for _ in range(5):
            log.placed("deleted by retention")
        await it.take(log.placed("o-1"))

    run_stories(store, after_retention)
    (shown,) = saga.does("explain", f"{EVENTS}:0:2", "--json").json
    assert shown["verdict"] == "no record"
    assert shown["reason"].startswith(
        "the first record that was read here of this partition is 5: earlier ones were deleted"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["redrive", *WHY],
        ["redrive", "made.events.v1:0:0"],
        ["redrive", "nowhere", *WHY],
        ["redrive", "--all", *WHY],
        ["redrive", "--cause", "x", *WHY],
        ["redrive", "made.events.v1:0:0", "--all", "--cause", "x", *WHY],
        ["discard", "made.events.v1:0:0"],
        ["edit", "made.events.v1:0:0", "--reason", "x"],
        ["show", "nowhere"],
    ],
)
def test_a_wrong_command_line_ends_with_2(saga: Saga, store: Path, arguments: list[str]) -> None:
    run_stories(store)
    assert saga("dead-letters", *arguments).code == 2


def test_without_a_coordinator_it_says_where_it_was_looked_for(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, placed("o-1"))
    monkeypatch.setenv("SAGA_API__BIND", "127.0.0.1:1")
    said = saga("dead-letters", "discard", f"{EVENTS}:0:0", *WHY)
    assert said.code == 1
    assert said.err.startswith("saga: no coordinator answers at 127.0.0.1:1: start `saga serve`")


def test_the_value_of_an_edit_comes_from_standard_input_too(saga: Saga, beside: Running) -> None:
    _, _, unreadable = parked(beside)
    value = json.dumps({"word": placed_value("x").decode()})
    said = saga("dead-letters", "edit", str(unreadable.place), "--value", "-", *WHY, given=value)
    assert said.code == 0
    assert beside.it.rows("SELECT value FROM dead_letter WHERE parks = 0") == [(value.encode(),)]
