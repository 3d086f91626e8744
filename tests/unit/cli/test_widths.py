"""What people read on a narrow terminal: no word is broken, and a paragraph is one line where nobody sees it."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Place
from saga_coordinator.service.cli.console import ProgressLine, echo, table
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import (
    RESERVE,
    completed,
    placed,
    refused_at_shipping,
    run_stories,
    shipped,
    stalled,
)
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import EVENTS, Log, instance_id

KEY = "order-c54-000010"
LONG = "customer-00042/2026-11-29/" + "x" * 60


@pytest.fixture(params=[40, 80, 120])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """So many columns, as a terminal has them."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def tokens(value: object) -> Iterator[str]:
    """The words of the texts in a JSON value."""
    match value:
        case dict():
            for each in value.values():
                yield from tokens(each)
        case list():
            for each in value:
                yield from tokens(each)
        case str():
            yield from value.split()


def test_no_word_of_a_list_is_broken(saga: Saga, store: Path, columns: int) -> None:
    run_stories(
        store, completed("o-1"), refused_at_shipping(KEY), stalled(LONG), shipped("o-4"), ago=timedelta(minutes=3)
    )
    listed = saga.does("ls", "--json").json["instances"]

    shown = saga.does("ls").out.split()
    wide = saga.does("ls", "--wide").out

    for each in listed:
        assert each["key"] in shown
        assert each["status"] in shown
        assert each["id"] in wide.split()
        assert set(tokens(each["attention"])) <= set(shown)
        if each["status"] == "running":
            assert {wait["step"] for wait in each["waits_for"]} <= {word.strip(",") for word in shown}
    assert columns < 100 or "order-fulfilment" in shown


@pytest.mark.parametrize("story", [completed(LONG), refused_at_shipping(LONG), stalled(LONG), placed(LONG)])
def test_no_word_of_an_instance_is_broken(saga: Saga, store: Path, columns: int, story: object) -> None:
    run_stories(store, story, ago=timedelta(minutes=3))  # type: ignore[arg-type]  # a story
    detail = saga.does("show", LONG, "--json").json

    shown, why = saga.does("show", LONG).out, saga.does("why", LONG).out

    words = set(shown.split()) | {word.strip(",") for word in shown.split()}
    for entry in detail["history"]:
        assert set(tokens([entry["summary"], entry["status"], entry["place"], entry["outcome"]])) <= words
    assert {step["name"] for step in detail["steps"]} <= words
    assert set(tokens(detail["why"])) <= {*why.split()} & {*words, *shown.split()}
    sentences = detail["sentences"]
    assert len([line for line in why.splitlines() if not line.startswith(" ")]) == len(sentences)
    assert all(len(line) <= columns or len(max(line.split(), key=len)) > columns - 10 for line in why.splitlines())


def test_where_nobody_sees_it_an_explanation_is_one_line(saga: Saga, store: Path) -> None:
    run_stories(store, stalled(KEY))

    assert len(saga.does("why", KEY).out.splitlines()) == 1


@pytest.mark.parametrize("verb", [["config"], ["doctor"]])
def test_no_word_of_the_settings_and_checks_is_broken(saga: Saga, columns: int, verb: list[str]) -> None:
    assert columns
    found = saga(*verb, "--json").json
    shown = saga(*verb).out.split()

    rows = found["checks"] if isinstance(found, dict) else found
    for each in rows:
        words = set(tokens([each.get(name) for name in ("name", "value", "description", "check", "found", "remedy")]))
        assert {word for word in words if not re.search(r"\d", word)} <= set(shown)


async def misfortune(it: Coordinator, log: Log) -> None:
    """A record that cannot be read, one that comes early, and one that nobody has asked for."""
    reply = log.answer(it.sent(RESERVE, KEY)[0], ce_correlationid=instance_id("nobody"))
    await it.take(log.record(EVENTS, LONG, b"no JSON", ()), log.cancelled(LONG), reply)


@pytest.mark.parametrize("verb", [["dead-letters", "ls"], ["records", "ls"]])
def test_no_word_of_listed_records_is_broken(saga: Saga, store: Path, columns: int, verb: list[str]) -> None:
    assert columns
    run_stories(store, placed(KEY), misfortune)

    listed = saga.does(*verb, "--json").json
    shown = saga.does(*verb).out

    rows = listed["dead_letters" if verb[0] == "dead-letters" else "records"]
    assert rows
    for each in rows:
        names = ("place", "cause", "why", "key", "message_type", "verdict")
        assert set(tokens([each.get(name) for name in names])) <= {word.rstrip(";") for word in shown.split()}
    assert all(len(line) <= columns or len(line.split()) <= 2 for line in map(str.rstrip, shown.splitlines()))


def test_no_word_of_a_dead_letter_is_broken(saga: Saga, store: Path, columns: int) -> None:
    run_stories(store, placed(KEY), misfortune)

    shown = saga.does("dead-letters", "show", f"{EVENTS}:0:1").out

    assert "header ce_specversion is missing" in " ".join(shown.split())
    assert LONG in shown.split()
    assert all(len(line) <= columns or len(line.split()) <= 2 for line in shown.splitlines())


def test_no_topic_of_a_plan_is_broken(
    saga: Saga, columns: int, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)

    planned = saga.does("topics", "plan", "--json").json
    shown = saga.does("topics", "plan").out

    assert {word for each in planned for word in tokens([each["name"], each["purpose"]])} <= set(shown.split())
    assert all(len(line.rstrip()) <= columns or len(line.split()) <= 2 for line in shown.splitlines())


def test_no_word_of_an_explained_record_is_broken(saga: Saga, store: Path, columns: int) -> None:
    assert columns
    run_stories(store, stalled(KEY))
    topic = "a-topic-with-a-name-that-is-much-longer-than-most-and-has-no-blank-in-it.events.v1"

    explained = saga.does("explain", str(Place("orders.events.v1", 0, 0)))
    not_read = saga.does("explain", f"{topic}:0:7").out

    assert KEY in explained.out.split()
    assert f"{topic}:0:7:" in not_read.split()


def test_a_table_that_does_not_fit_is_a_block_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")

    table(("key", "where", "id"), [("o-1", "charge-card, reserve-stock", "5f" * 10), ("o-2", "", "6f" * 10)])

    assert capsys.readouterr().out.splitlines() == [
        "o-1",
        "  where  charge-card,",
        "         reserve-stock",
        "  id     5f5f5f5f5f5f5f5f5f5f",
        "o-2",
        "  id     6f6f6f6f6f6f6f6f6f6f",
    ]


def test_a_number_stays_with_its_unit_and_a_text_is_not_a_thin_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    table(("key", "age"), [("k" * 30, "3 min 6 s")])
    table(("key", "age", "why"), [("k" * 12, "3 min 6 s", "w " * 60)])

    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["k" * 30, "  age  3 min 6 s"]
    assert shown[2:5] == ["k" * 12, "  age  3 min 6 s", f"  why  {('w ' * 17).strip()}"]


def test_a_column_is_never_narrower_than_its_longest_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")

    table(("key", "meaning"), [("SAGA_STORE_OF", "where it is and what it holds")])
    echo("one two three four five six seven eight", indent=2)

    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "key            meaning",
        "SAGA_STORE_OF  where it is and",
        "               what it holds",
        "one two three four five six",
        "  seven eight",
    ]


def test_a_long_run_says_on_standard_error_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.9, 2.1, 2.1, 3.0, 7.2, 7.2])
    progress = ProgressLine(clock=lambda: next(times))

    for number in range(4):
        progress(f"{number} states")
    progress.end()

    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", ["1 states", "3 states"])
