"""A preview shows what a signal would do: what is sent, awaited and compensated, what remains, and how it ends."""

from datetime import timedelta
from typing import Any

import pytest

from saga_coordinator.contracts import Command, Done
from saga_coordinator.sagas import Retry, alternatives, parallel, series, step
from saga_coordinator.sagas.machine import (
    Cancel,
    Direction,
    Ignored,
    Pause,
    Resolve,
    Resume,
    RetryStep,
    SkipStep,
    Status,
)
from saga_coordinator.sagas.planning.preview import Preview, preview
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    Begun,
    Data,
    Did,
    command,
    compensatable,
    makes,
    point_of_no_return,
    retriable,
    safe,
    saga,
)

GUARANTEED = step(
    "sure",
    makes(command("sure")),
    compensate=makes(command("sure", undo=True)),
    undo_when_unknown=False,
    timeout=timedelta(minutes=1),
)
SHOP = saga(
    compensatable("a"),
    parallel(compensatable("b"), compensatable("c"), safe("look")),
    point_of_no_return(),
    retriable("notify"),
    retriable("file"),
)
AT_B = given(SHOP, Begun()).replies("a", Did())
AT_PIVOT = AT_B.replies("b", Did()).replies("c", Did()).replies("look", Did())
STALLED = AT_PIVOT.replies("pivot", Did()).replies("notify", Did()).fails("file", code="no")
STUCK = AT_PIVOT.fails("pivot", code="no").undo_fails("b", code="gone")


def cancel(story: Scenario[Data]) -> Preview:
    return preview(story.saga, story.instance, Cancel(story.at, "not wanted", "olga"))


def sent(shown: Preview) -> list[tuple[str, Direction]]:
    return [(send.step, send.direction) for send in shown.sends]


def test_a_cancel_awaits_what_is_in_flight_and_then_undoes_wave_by_wave() -> None:
    shown = cancel(AT_B.replies("c", Did()))

    assert (shown.refused, shown.status, shown.ends) == (None, Status.COMPENSATING, Status.COMPENSATED)
    assert shown.sends == ()
    assert shown.awaits == ("b", "look")
    assert shown.undoes == (("b", "c"), ("a",))
    assert shown.not_undone == {}


def test_a_cancel_with_nothing_in_flight_sends_the_first_wave_at_once() -> None:
    shown = cancel(given(saga(compensatable("a"), compensatable("b")), Begun()).fails("a", code="busy", retryable=True))
    assert (shown.refused, shown.ends) == (Ignored.LATE, Status.COMPENSATED)

    waiting = given(saga(compensatable("a"), compensatable("b", retry=Retry(attempts=3))), Begun())
    shown = cancel(waiting.replies("a", Did()).fails("b", code="busy", retryable=True))
    assert sent(shown) == [("a", Direction.COMPENSATION)]
    assert (shown.awaits, shown.undoes) == ((), (("a",),))


def test_a_cancel_past_the_pivot_is_refused_and_names_what_stays() -> None:
    shown = cancel(AT_PIVOT.replies("pivot", Did()).replies("notify", Did()))

    assert (shown.refused, shown.reason) == (Ignored.PAST_THE_PIVOT, "the pivot was sent: there is no way back")
    assert (shown.sends, shown.undoes, shown.ends) == ((), (), Status.COMPLETED)
    assert shown.not_undone == {
        "a": "the instance is running: nothing is undone without an operator",
        "b": "the instance is running: nothing is undone without an operator",
        "c": "the instance is running: nothing is undone without an operator",
        "pivot": "the pivot: there is no way back from it",
        "notify": "it has no compensation",
        "file": "it has no compensation",
    }


def test_a_step_whose_silence_means_not_done_is_undone_only_if_it_answers() -> None:
    story = given(saga(compensatable("a"), parallel(GUARANTEED, compensatable("b"))), Begun()).replies("a", Did())

    in_flight = cancel(story)
    assert (in_flight.awaits, in_flight.undoes) == (("sure", "b"), (("sure", "b"), ("a",)))
    silent = story.passes(timedelta(minutes=1))
    shown = preview(silent.saga, silent.instance, Pause(silent.at, "olga", "to look"))
    assert shown.undoes == (("b",), ("a",))
    assert shown.not_undone == {"sure": "it did not answer, by which its participant guarantees that it is not done"}


def test_a_preview_needs_no_data_from_a_pending_reply() -> None:
    made = command("noted", undo=True)

    def undo(data: Data) -> Command[Any]:
        return made.model_validate({"key": data.seen[0], "seen": ()})

    undo.__annotations__["return"] = made
    noted = step("noted", makes(command("noted")), compensate=undo, undo_when_unknown=False)
    assert cancel(given(saga(noted), Begun())).undoes == (("noted",),)


def test_a_pause_sends_nothing_and_a_cancel_meanwhile_shows_what_follows_it() -> None:
    shown = preview(AT_B.saga, AT_B.instance, Pause(AT_B.at, "olga", "to look"))
    assert (shown.is_paused, shown.status, shown.sends, shown.not_undone) == (True, Status.RUNNING, (), {})

    paused = AT_B.pauses()
    meanwhile = cancel(paused)
    assert (meanwhile.is_paused, meanwhile.awaits, meanwhile.sends) == (True, ("b", "c", "look"), ())
    assert meanwhile.undoes == (("b", "c"), ("a",))


def test_a_resume_shows_what_continues() -> None:
    answered = AT_B.pauses().replies("b", Did()).replies("c", Did()).replies("look", Did())
    shown = preview(answered.saga, answered.instance, Resume(answered.at, "olga", "seen"))
    assert sent(shown) == [("pivot", Direction.FORWARD)]
    assert (shown.undoes, shown.ends) == ((), Status.COMPLETED)


def test_a_resume_that_finds_an_alternative_failed_shows_only_its_compensation() -> None:
    tried = alternatives(series(compensatable("x"), compensatable("y")), compensatable("z"))
    both = parallel(compensatable("beside"), tried)
    failed = given(saga(compensatable("a"), both), Begun()).replies("a", Did()).replies("x", Did())
    waiting = failed.pauses().fails("y", code="no")
    shown = preview(waiting.saga, waiting.instance, Resume(waiting.at, "olga", "seen"))

    assert sent(shown) == [("x", Direction.COMPENSATION)]
    assert (shown.awaits, shown.undoes, shown.ends) == ((), (("x",),), Status.COMPLETED)


def test_an_alternative_within_one_that_has_failed_is_undone_with_it() -> None:
    inner = alternatives(series(compensatable("x"), compensatable("y")), compensatable("z"), name="inner")
    outer = alternatives(
        parallel(inner, series(compensatable("u"), compensatable("v"))), compensatable("w"), name="outer"
    )
    story = given(saga(outer), Begun()).replies("x", Did()).replies("u", Did()).fails("y", code="no")
    failed = story.undoes("x").pauses().fails("v", code="no")
    shown = preview(failed.saga, failed.instance, Resume(failed.at, "olga", "seen"))

    assert (shown.awaits, shown.undoes, shown.ends) == ((), (("x", "u"),), Status.COMPLETED)


def test_a_retry_and_a_skip_of_a_stalled_step_go_on_forward() -> None:
    again = preview(STALLED.saga, STALLED.instance, RetryStep(STALLED.at, "olga", "mended", "file"))
    assert (sent(again), again.ends) == ([("file", Direction.FORWARD)], Status.COMPLETED)

    skipped = preview(STALLED.saga, STALLED.instance, SkipStep(STALLED.at, "olga", "by hand", "file", Did()))
    assert (skipped.sends, skipped.status) == ((), Status.COMPLETED)
    wrong = preview(STALLED.saga, STALLED.instance, SkipStep(STALLED.at, "olga", "by hand", "file", Done()))
    assert wrong.refused is Ignored.OUT_OF_PLACE
    assert wrong.reason == "Do file is answered with Did, not with Done"


def test_a_retry_of_a_stuck_compensation_shows_the_remaining_compensations() -> None:
    shown = preview(STUCK.saga, STUCK.instance, RetryStep(STUCK.at, "olga", "mended"))
    assert sent(shown) == [("b", Direction.COMPENSATION)]
    assert (shown.undoes, shown.ends) == ((("b", "c"), ("a",)), Status.COMPENSATED)

    skipped = preview(STUCK.saga, STUCK.instance, SkipStep(STUCK.at, "olga", "by hand", "b"))
    assert skipped.undoes == (("c",), ("a",))


@pytest.mark.parametrize(
    ("status", "not_undone"),
    [
        (Status.COMPLETED, {}),
        (
            Status.COMPENSATED,
            {
                "a": "the instance is compensated: nothing is undone without an operator",
                "b": "its compensation was given up",
                "c": "the instance is compensated: nothing is undone without an operator",
            },
        ),
    ],
)
def test_a_resolve_names_what_the_machine_has_left_undone(status: Status, not_undone: dict[str, str]) -> None:
    shown = preview(STUCK.saga, STUCK.instance, Resolve(STUCK.at, "olga", "by hand", status))
    assert (shown.status, shown.ends, shown.not_undone) == (status, status, not_undone)
