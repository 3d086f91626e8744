"""`saga retry`, `skip`, `cancel`, `pause`, `resume`, `resolve`: each says what came of it, and why if nothing did."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from saga_coordinator.contracts import Done, Failure, Reply
from tests.unit.cli._support.running import Running, running
from tests.unit.cli._support.said import Saga
from tests.unit.handlers._support.faulty import OF_CATALOG

NO = Failure(code="no", message="not today", retryable=False)
WHY = ("--reason", "to look at it", "--who", "olga")


@pytest.fixture
def beside(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("SAGA_CATALOG", "tests.unit.handlers._support.faulty:catalog")
    with running(store) as coordinator:
        monkeypatch.setenv("SAGA_API__BIND", coordinator.bind)
        OF_CATALOG.heal()
        yield coordinator


@pytest.mark.usefixtures("beside")
def test_a_pause_and_its_end(saga: Saga) -> None:
    assert saga.does("pause", "bad", *WHY).out == "advanced: the instance is running, paused.\n"
    again = saga("pause", "bad", *WHY)
    assert (again.code, again.err) == (1, "refused: the instance is paused.\n")
    assert saga.does("resume", "bad", *WHY).out == "advanced: the instance is running.\n"
    assert "paused by olga: to look at it" in saga.does("show", "bad").out
    history = saga.does("show", "bad", "--json").json["history"]
    assert history[1]["value"] == {"who": "olga", "reason": "to look at it"}


@pytest.mark.usefixtures("beside")
def test_a_position_is_set_and_listed(saga: Saga) -> None:
    done = saga.does("positions", "set", "made.events.v1/1", "7", *WHY)
    assert done.out == "made.events.v1/1 is read from offset 7 on\n"
    listed = saga.does("positions", "ls", "--json").json
    assert {"topic": "made.events.v1", "partition": 1, "next_offset": 7, "topic_id": None} in listed
    assert "made.events.v1" in saga.does("positions", "ls").out
    refused = saga("positions", "set", "made.events.v1", "soon", *WHY)
    assert (refused.code, refused.err) == (1, "saga: soon is no position\n")
    assert saga("positions", "set", "made.events.v1/x", "7", *WHY).code == 2


@pytest.mark.usefixtures("beside")
def test_a_retry_that_has_no_answer_yet_is_still_waiting(saga: Saga) -> None:
    shown = saga.does("retry", "bad", "--step", "a", "--wait", "0", *WHY, "--json").json
    assert (shown["end"], shown["why"], shown["sent"]) == ("still waiting", "for a", ["made.do-a.v1"])


def test_a_retry_that_is_answered_has_advanced(saga: Saga, beside: Running) -> None:
    record = beside.two.says("a")
    beside.does(lambda: beside.it.take(record))
    refused = saga("retry", "bad", "--step", "a", "--wait", "0", *WHY)
    assert (refused.code, "refused: a is not a step of this instance that could" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("reply", "end", "why", "code"),
    [
        (Done(), "advanced", None, 0),
        (NO, "failed again", "not today", 1),
    ],
)
def test_a_retry_is_followed_until_it_has_an_end(
    saga: Saga, beside: Running, *, reply: Reply, end: str, why: str | None, code: int
) -> None:
    """A stalled compensation is asked again, and this time its participant answers."""
    stall(beside)
    answered = beside.answers("made.undo-a.v1", reply, copies=2)
    shown = saga("retry", "bad", "--wait", "15", *WHY, "--json")
    answered.result(5)
    assert (shown.code, shown.json["end"]) == (code, end)
    assert shown.json["why"] is None if why is None else why in shown.json["why"]


def test_a_stalled_instance_is_resolved_by_hand(saga: Saga, beside: Running) -> None:
    early = saga("resolve", "bad", "completed", *WHY)
    assert (early.code, "only a stalled one is resolved by hand" in early.err) == (1, True)
    stall(beside)
    shown = saga.does("resolve", "bad", "compensated", *WHY).out
    assert shown == "advanced: the instance is compensated. Sent: made.unwound.v1.\n"


@pytest.mark.usefixtures("beside")
def test_a_step_is_skipped_with_a_reply(saga: Saga, tmp_path: Path) -> None:
    reply = tmp_path / "reply.json"
    reply.write_text('{"word": 7}')
    wrong = saga("skip", "bad", "a", "--reply", str(reply), *WHY)
    assert (wrong.code, wrong.err) == (
        1, "saga: the reply does not answer this step: Did: word: Input should be a valid string\n",
    )  # fmt: skip
    assert saga("skip", "bad", "a", "--reply", "-", *WHY, given="{").code == 2
    assert saga("skip", "bad", "a", "--reply", "-", *WHY, given='{"word": "by hand"}').code == 0
    assert saga.does("show", "bad", "--json").json["data"]["seen"] == ["a:by hand"]


def test_a_cancel_turns_it_back(saga: Saga, beside: Running) -> None:
    record = beside.two.says("a")
    beside.does(lambda: beside.it.take(record))
    assert saga.does("cancel", "bad", *WHY).out.startswith("advanced: the instance is compensating.")
    assert "it was cancelled: to look at it (olga)" in saga.does("why", "bad").out


@pytest.mark.usefixtures("beside")
def test_an_unknown_instance_is_reported_before_anything_is_requested(saga: Saga) -> None:
    said = saga("pause", "nobody", *WHY)
    assert (said.code, "no instance of made has the id or the key 'nobody'" in said.err) == (1, True)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("verb", ["retry", "cancel", "pause", "resume"])
def test_a_reason_is_required(saga: Saga, verb: str) -> None:
    assert saga(verb, "bad").code == 2
    blank = saga(verb, "bad", "--reason", " ")
    assert (blank.code, "body.reason" in blank.err) == (1, True)


def stall(beside: Running) -> None:
    """Let a step be done and another refused, and then the undo of the first."""
    two, it = beside.two, beside.it
    records = two.says("a"), two.log.says(two.command("b"), NO)
    beside.does(lambda: it.take(*records))
    undo = it.sent("made.undo-a.v1", "bad")[-1]
    beside.does(lambda: it.take(two.log.says(undo, NO)))
