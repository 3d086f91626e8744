"""`saga records ls`: records that have reached no instance, or wait for one, with verdict and reason."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Verdict
from saga_coordinator.service.storage.queries import KeptRecord, RecordFilter
from saga_coordinator.service.storage.sqlite.queries import open_queries
from tests.unit.cli._support.running import Running, running
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import CHARGE, RESERVE, placed, run_stories
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.faulty import BAD
from tests.unit.handlers._support.order_log import EVENTS, REPLIES, Log, instance_id


async def astray(it: Coordinator, log: Log) -> None:
    """An order whose records reach no instance, each for another reason; one second lies between them."""
    records = (
        log.cancelled("o-9"),
        log.answer(it.sent(RESERVE, "o-1")[0], ce_correlationid=instance_id("nobody")),
        log.record(EVENTS, "o-2", b"no JSON", ()),
        log.answer(it.sent(CHARGE, "o-1")[0])._replace(value=b"{"),
    )
    for record in records:
        it.clock.pass_by(timedelta(seconds=1))
        await it.take(record)


def listed(saga: Saga, *options: str) -> list[tuple[str, ...]]:
    records = saga.does("records", "ls", "--json", *options).json["records"]
    return [(each["place"], each["verdict"]) for each in records]


def test_they_are_listed_the_newest_first_with_verdict_and_reason(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), astray)

    page = saga.does("records", "ls", "--json").json
    unreadable, poison, unmatched, early = page["records"]

    assert page["next"] is None
    assert early == {
        "place": f"{EVENTS}:0:1", "at": early["at"], "verdict": "buffered", "why": "no instance waits for it yet",
        "key": "o-9", "message_type": "orders.order-cancelled.v1", "instance": None, "until": early["until"],
    }  # fmt: skip
    assert early["until"] > early["at"]
    assert (unmatched["verdict"], unmatched["key"]) == ("unmatched", "o-1")
    assert unmatched["why"] == f"there is no instance {instance_id('nobody')} (ce_correlationid)"
    assert (poison["verdict"], poison["message_type"], poison["instance"]) == ("dead-lettered", None, None)
    assert (unreadable["verdict"], unreadable["instance"]) == ("dead-lettered", instance_id("o-1"))
    shown = saga.does("records", "ls").out
    assert "no instance waits for it yet" in shown
    assert "orders.order-cancelled.v1" in shown


def test_they_are_narrowed_by_verdict_topic_and_key(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), astray)
    early, poison = (f"{EVENTS}:0:1", "buffered"), (f"{EVENTS}:0:2", "dead-lettered")
    unmatched, unreadable = (f"{REPLIES}:0:0", "unmatched"), (f"{REPLIES}:0:1", "dead-lettered")

    assert listed(saga, "--verdict", "buffered") == [early]
    assert listed(saga, "--verdict", "unmatched") == [unmatched]
    assert listed(saga, "--verdict", "ignored") == []
    assert listed(saga, "--verdict", "dead-lettered", "--topic", EVENTS) == [poison]
    assert listed(saga, "--topic", REPLIES) == [unreadable, unmatched]
    assert listed(saga, "--key", "o-9") == [early]
    assert listed(saga, "--key", "o-1") == [unreadable, unmatched]
    assert listed(saga, "--key", "o") == []
    assert saga("records", "ls", "--verdict", "applied").code == 2


def test_an_event_without_a_key_is_found_by_the_key_that_it_is_for(saga: Saga, store: Path) -> None:
    async def early(it: Coordinator, log: Log) -> None:
        await it.take(log.cancelled("o-9")._replace(key=None))

    run_stories(store, early)

    assert listed(saga, "--key", "o-9") == listed(saga, "--key", instance_id("o-9")) == [(f"{EVENTS}:0:0", "buffered")]


def test_pages_of_one_record_miss_none(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"), astray)

    assert [place for page in pages(saga) for place in page] == [place for place, _ in listed(saga)]
    assert saga("records", "ls", "--cursor", "x:y").code == 2
    assert saga("records", "ls", "--cursor", f"{'9' * 40}:{EVENTS}:0:0:").code == 2


def pages(saga: Saga) -> Iterator[list[str]]:
    more: tuple[str, ...] = ()
    while True:
        page = saga.does("records", "ls", "--json", "--limit", "1", *more).json
        yield [each["place"] for each in page["records"]]
        if page["next"] is None:
            return
        more = ("--cursor", page["next"])


def test_what_is_queued_names_the_record_that_it_waits_behind(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_CATALOG", "tests.unit.handlers._support.faulty:catalog")
    with running(store) as beside:
        failing, later = queue_one(beside)
        (queued,) = saga.does("records", "ls", "--verdict", "buffered", "--json").json["records"]

    assert (queued["place"], queued["instance"], queued["until"]) == (later, BAD, None)
    assert queued["why"] == f"its instance is parked behind {failing}"


def queue_one(beside: Running) -> tuple[str, str]:
    failing, later = beside.two.says("a"), beside.two.says("b")
    beside.does(lambda: beside.it.take(failing, later))
    return str(failing.place), str(later.place)


def test_a_discarded_record_is_listed_with_who_discarded_it(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_CATALOG", "tests.unit.handlers._support.faulty:catalog")
    with running(store) as beside:
        monkeypatch.setenv("SAGA_API__BIND", beside.bind)
        failing, _ = queue_one(beside)
        saga.does("dead-letters", "discard", failing, "--reason", "a test order", "--who", "olga")
        (discarded,) = saga.does("records", "ls", "--verdict", "dead-lettered", "--json").json["records"]

    assert discarded["place"] == failing
    assert discarded["why"].startswith("discarded by olga: a test order (it was dead-lettered because: saga made")


def test_an_empty_list_says_so(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))

    assert saga.does("records", "ls").out == "There is no record without an instance.\n"
    assert saga.does("records", "ls", "--key", "o-1").out == "There is no record like this.\n"


@pytest.mark.parametrize(
    "which",
    [RecordFilter(), RecordFilter(key=b"o-9", subjects=["a", "b"]), RecordFilter(verdict=Verdict.UNMATCHED)],
    ids=["all", "of a key", "of a verdict"],
)
def test_no_list_reads_all_of_what_grows(store: Path, monkeypatch: pytest.MonkeyPatch, which: RecordFilter) -> None:
    """Unmatched records and early events may be millions: they are found by an index, in its order."""
    plans: list[str] = []

    run_stories(store)
    with open_queries(store) as asked:
        query = asked._query  # noqa: SLF001  as it is

        def explained(sql: str, parameters: Sequence[object]) -> list[KeptRecord]:
            if " verdict " in sql or "held_event" in sql:
                plans.extend(step for *_, step in query(f"EXPLAIN QUERY PLAN {sql}", parameters))
            return []

        monkeypatch.setattr(asked, "_query", explained)
        asked.records(which, 10)

    assert plans
    scans = [step for step in plans if step.startswith("SCAN") and "json_each" not in step]
    assert [step for step in scans if "USING INDEX" not in step] == []
    assert which.key is None or scans == []
    assert which.key is not None or not any("TEMP B-TREE FOR ORDER BY" in step for step in plans)
