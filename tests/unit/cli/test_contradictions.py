"""A reply that contradicts an earlier one is seen: by `saga ls --attention`, `saga why` and `saga explain`."""

from datetime import timedelta
from pathlib import Path

from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import CHARGE, RELEASE, RESERVE, Story, completed, run_stories
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import Log

REASON = "charge-card had failed, and now it was done: its effect may stand, and is not undone"


def charged_after_all(order: str) -> Story:
    """A charge is refused, the order is compensated, and then another consumer of the command has charged the card."""

    async def story(it: Coordinator, log: Log) -> None:
        await it.take(log.placed(order))
        (charge,) = it.sent(CHARGE, order)
        await it.take(log.answer(it.sent(RESERVE, order)[0]), log.refuse(charge))
        await it.take(log.answer(it.sent(RELEASE, order)[0]))
        await it.take(log.refuse(charge), log.answer(charge))

    return story


def test_it_needs_attention_though_the_instance_has_ended(saga: Saga, store: Path) -> None:
    run_stories(store, completed("o-1"), charged_after_all("o-2"))

    listed = saga.does("ls", "--attention", "--json").json["instances"]
    assert [(each["key"], each["status"]) for each in listed] == [("o-2", "compensated")]
    assert listed[0]["attention"] == [f"contradiction: {REASON}"]
    assert saga.does("show", "o-2", "--json").json["attention"] == listed[0]["attention"]
    assert saga.does("show", "o-1", "--json").json["attention"] == []


def test_it_needs_attention_for_thirty_days(saga: Saga, store: Path) -> None:
    run_stories(store, charged_after_all("o-1"), ago=timedelta(days=31))

    assert saga.does("ls", "--attention", "--json").json["instances"] == []
    assert REASON in " ".join(saga.does("why", "o-1").out.split())


def test_why_says_where_the_reply_was_and_what_to_do(saga: Saga, store: Path) -> None:
    run_stories(store, charged_after_all("o-1"))

    paragraph = " ".join(saga.does("why", "o-1").out.split())
    assert "A reply contradicted an earlier one " in paragraph
    assert f"(saga.replies.v1:0:4): {REASON}." in paragraph
    assert "Find out from its participant what is true, and put it right by hand." in paragraph


def test_a_copy_and_a_contradiction_have_verdicts_of_their_own(saga: Saga, store: Path) -> None:
    run_stories(store, charged_after_all("o-1"))

    verdicts = [saga.does("explain", f"saga.replies.v1:0:{offset}", "--json").json[0]["verdict"] for offset in (3, 4)]
    assert verdicts == ["duplicate", "contradictory"]
