"""`saga why` of a key that has no instance: what became of the records that have it, and what to do."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Record
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import RESERVE, Story, placed, run_stories
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import EVENTS, REPLIES, Log, instance_id, placed_value

Made = Callable[[Coordinator, Log], Record]


def takes(*made: Made) -> Story:
    async def story(it: Coordinator, log: Log) -> None:
        await it.take(*(each(it, log) for each in made))

    return story


def sentence(said: str) -> str:
    return " ".join(said.split())


def test_an_early_event_says_since_when_until_when_and_which_start_is_missing(saga: Saga, store: Path) -> None:
    run_stories(store, takes(lambda _, log: log.cancelled("o-9")), ago=timedelta(minutes=3))

    shown = sentence(saga.does("why", "o-9").out)
    explained = saga.does("why", "o-9", "--json").json

    assert shown == explained["why"] == " ".join(explained["sentences"])
    assert (explained["id"], explained["status"]) == (None, None)
    assert [(each["place"], each["verdict"]) for each in explained["records"]] == [(f"{EVENTS}:0:0", "buffered")]
    assert shown.startswith("No instance of order-fulfilment has the key o-9. orders.order-cancelled.v1 (orders.events")
    assert "has been buffered since 20" in shown
    assert "(3 min" in shown
    assert "It is applied as soon as an instance of order-fulfilment takes it, until 20" in shown
    assert "after that it is unmatched." in shown
    assert shown.endswith(
        "Nothing is stored of orders.order-placed.v1 with this key: was it published to orders.events.v1?"
    )


def test_a_start_that_was_dead_lettered_says_why_and_how_to_decide_it_again(saga: Saga, store: Path) -> None:
    def bad(_: Coordinator, log: Log) -> Record:
        return log.placed("o-1")._replace(value=placed_value("o-1", total=3))

    run_stories(store, takes(bad, lambda _, log: log.cancelled("o-1")))

    shown = sentence(saga.does("why", "o-1").out)

    assert f"orders.order-placed.v1 ({EVENTS}:0:0) came 20" in shown
    assert 'and is dead-lettered: OrderPlaced: total: must be a decimal string such as "49.99".' in shown
    assert f"See `saga dead-letters show {EVENTS}:0:0`; `saga dead-letters redrive` decides it again." in shown
    assert "Nothing is stored of" not in shown, "the start is there, and is dead-lettered"


def test_an_unmatched_reply_says_that_it_is_not_decided_again(saga: Saga, store: Path) -> None:
    def astray(it: Coordinator, log: Log) -> Record:
        reply = log.answer(it.sent(RESERVE, "o-1")[0], ce_correlationid=instance_id("o-7"))
        return reply._replace(key=b"o-7")

    run_stories(store, placed("o-1"), takes(astray))

    shown = sentence(saga.does("why", "o-7").out)

    assert f"inventory.stock-reserved.v1 ({REPLIES}:0:0) came 20" in shown
    assert f"and is unmatched: there is no instance {instance_id('o-7')} (ce_correlationid)." in shown
    assert "It is not decided again: publish it again if it is still wanted." in shown


def test_of_many_records_the_newest_are_explained(saga: Saga, store: Path) -> None:
    run_stories(store, *(takes(lambda _, log: log.record(EVENTS, "o 1", b"{", ())) for _ in range(8)))

    explained = saga.does("why", "o 1", "--json").json

    assert len(explained["records"]) == 6
    assert "There are more records: `saga records ls --key 'o 1'`." in explained["sentences"]


@pytest.mark.parametrize("verb", [["show", "o-9"], ["cancel", "o-9", "--reason", "x"]])
def test_other_verbs_refer_to_it(saga: Saga, store: Path, verb: list[str]) -> None:
    run_stories(store, takes(lambda _, log: log.cancelled("o-9")))

    said = saga(*verb)

    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "saga: no instance of order-fulfilment has the id or the key 'o-9', but records have: `saga why o-9` explains "
        "them\n"
    )


def test_a_reply_that_could_not_be_read_is_in_the_explanation_of_its_instance(saga: Saga, store: Path) -> None:
    """Also without a key: the correlation id names the instance."""

    def unreadable(it: Coordinator, log: Log) -> Record:
        return log.answer(it.sent(RESERVE, "o-1")[0])._replace(key=None, value=b'{"reservation_id": 1}')

    run_stories(store, placed("o-1"), takes(unreadable))

    explained = saga.does("why", "o-1", "--json").json
    at = next(number for number, each in enumerate(explained["sentences"]) if "waited for reserve-stock" in each)
    assert "StockReserved: reservation_id: Input should be a valid string." in explained["sentences"][at + 1]
    assert [each["place"] for each in explained["records"]] == [f"{REPLIES}:0:0"]
    assert saga.does("show", "o-1", "--json").json["records"] == explained["records"]
    (listed,) = saga.does("dead-letters", "ls", "--instance", instance_id("o-1"), "--json").json["dead_letters"]
    assert listed["place"] == f"{REPLIES}:0:0"
