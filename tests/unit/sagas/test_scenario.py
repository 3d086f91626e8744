"""The author's test language: what its words do, and what it says when one does not hold."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest

from saga_coordinator.contracts import Done, Failure
from saga_coordinator.sagas import Retry, parallel
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import BEGINNING, Scenario, given
from tests.support.saga_kit import (
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    Finished,
    Paid,
    Stopped,
    asks,
    awaits,
    command,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)

TWICE = Retry(attempts=2, first=SECOND, jitter=0.0)
SHOP = saga(
    parallel(compensatable("a", retry=TWICE), compensatable("b", timeout=2 * MINUTE)),
    point_of_no_return("ship"),
    retriable("notify"),
)
BEGUN = given(SHOP, Begun())
AT_THE_PIVOT = BEGUN.replies("a", Did()).replies("b", Did())
UNDOING = AT_THE_PIVOT.fails("ship", code="no")
OTHER = Paid(key="k-2", bill="k-2")
DO_A, DO_B = asks("a"), asks("b")


def objection(word: Callable[[], object]) -> str:
    """What is said when the word does not hold."""
    with pytest.raises(AssertionError) as caught:
        word()
    return str(caught.value)


def test_a_scenario_can_run_from_beginning_to_end() -> None:
    (
        given(SHOP, Begun())
        .expects("a", "b")
        .replies("b", Did())
        .expects()
        .replies("a", Did())
        .expects("ship")
        .replies("ship", Did())
        .expects("notify")
        .replies("notify", Did(word="hello"))
        .ends(Status.COMPLETED, Finished(key="k-1", seen=("b", "a", "ship", "notify:hello")))
    )


def test_each_word_returns_a_new_scenario_so_that_tests_may_share_a_beginning() -> None:
    UNDOING.undone("a").undone("b").ends(Status.COMPENSATED)
    UNDOING.undo_fails("a", code="gone").ends(Status.STALLED)

    assert UNDOING.status is Status.COMPENSATING


def test_a_command_may_be_expected_whole_or_by_its_step() -> None:
    BEGUN.expects(DO_A, "b")
    BEGUN.expects("a", DO_B)


def test_commands_may_be_expected_one_word_at_a_time() -> None:
    BEGUN.expects("a").expects("b").expects()


def test_a_command_that_was_sent_can_be_looked_at_as_its_author_wrote_it() -> None:
    assert AT_THE_PIVOT.command(command("ship")).model_dump() == {"key": "k-1", "seen": ("a", "b")}
    assert AT_THE_PIVOT.command(command("a"), step="a") == DO_A


def test_time_passes_and_timers_fire_when_they_are_due() -> None:
    passed = BEGUN.passes(3 * MINUTE)

    assert passed.at == BEGINNING + 3 * MINUTE
    passed.expects("a").undoes("a", "b")
    assert [line for line in passed.story if "timer" in line] == [
        "         0:01:00  the timer fires",
        "         0:02:00  the timer fires",
        "         0:03:00  the timer fires",
    ]


def test_time_passes_over_an_instance_that_waits_for_nothing() -> None:
    over = AT_THE_PIVOT.replies("ship", Did()).replies("notify", Did())

    assert over.passes(timedelta(days=1)).ends(Status.COMPLETED).at == BEGINNING + timedelta(days=1)


def test_an_undo_is_answered_with_done_or_with_what_the_author_says() -> None:
    assert UNDOING.undone("a") == UNDOING.undone("a", Done())


def test_an_ignored_signal_is_reported() -> None:
    AT_THE_PIVOT.cancels().ignores(Ignored.PAST_THE_PIVOT).expects()
    AT_THE_PIVOT.pauses().pauses().ignores(Ignored.OUT_OF_PLACE)
    AT_THE_PIVOT.resumes().ignores(Ignored.OUT_OF_PLACE)


# --- words that do not hold


def test_an_unexpected_command_is_reported_with_the_scenario_so_far() -> None:
    assert objection(lambda: UNDOING.undone("b").undoes("b")).splitlines() == [
        "expected  the undo of b",
        "sent      nothing",
        "",
        "The story so far:",
        "         0:00:00  Begun(key='k-1', coins=0) starts made",
        '                -> a, attempt 1: Do a {"key":"k-1","seen":[]}',
        '                -> b, attempt 1: Do b {"key":"k-1","seen":[]}',
        "         0:00:00  a is answered: Did(word='')",
        "         0:00:00  b is answered: Did(word='')",
        '                -> ship, attempt 1: Do ship {"key":"k-1","seen":["a","b"]}',
        f"         0:00:00  ship is answered: {Failure(code='no', message='', retryable=False)!r}",
        '                -> the undo of a, attempt 1: Undo a {"key":"k-1","seen":["a","b"]}',
        '                -> the undo of b, attempt 1: Undo b {"key":"k-1","seen":["a","b"]}',
        "         0:00:00  the undo of b is answered: Done()",
        "         0:00:00  it is compensating",
    ]


def test_the_outcome_and_what_was_ignored_stand_in_the_story() -> None:
    message = objection(lambda: UNDOING.undone("a").undone("b").cancels().ends(Status.COMPLETED))

    assert "                == Unwound(key='k-1', step='ship', code='no')" in message
    assert "                .. ignored as late: the instance is compensated" in message
    assert message.startswith("expected to end completed\nit is compensated\n")


@pytest.mark.parametrize(
    "word",
    [
        lambda: BEGUN.expects("b", "a"),
        lambda: BEGUN.expects("a", "b", "ship"),
        BEGUN.expects,
        lambda: BEGUN.expects("a", "b").expects("a"),
        lambda: BEGUN.expects("b"),
        lambda: BEGUN.undoes("a"),
        lambda: UNDOING.expects("a", "b"),
        UNDOING.undoes,
        lambda: BEGUN.expects(asks("a", key="k-2")),
        lambda: BEGUN.expects(asks("c")),
    ],
    ids=map(str, count(1)),
)
def test_an_expectation_that_does_not_hold_says_what_was_expected_and_what_was_sent(
    word: Callable[[], Scenario[Data]],
) -> None:
    expected, sent = objection(word).splitlines()[:2]

    assert expected.startswith("expected  ")
    assert sent.startswith("sent      ")


def test_a_check_that_names_one_command_must_name_them_all() -> None:
    half = BEGUN.expects("a")

    for word in (half.cancels, lambda: half.passes(SECOND), lambda: half.ends(Status.RUNNING)):
        assert objection(word).startswith(
            'expected  nothing more\nsent      b, attempt 1: Do b {"key":"k-1","seen":[]}'
        )


def test_a_step_that_was_not_sent_cannot_be_answered() -> None:
    assert objection(lambda: BEGUN.replies("ship", Did())).startswith("ship cannot be answered: it was not sent\n")
    assert objection(lambda: BEGUN.fails("a", code="no", attempt=2)).startswith("a cannot be answered")
    assert objection(lambda: BEGUN.undone("a")).startswith("the undo of a cannot be answered: it was not sent\n")


def test_a_reply_must_be_of_the_type_that_the_command_names() -> None:
    assert objection(lambda: BEGUN.replies("a", Done())).startswith("Do a is answered with Did, not with Done\n")
    assert objection(lambda: UNDOING.undone("a", Did())).startswith("Undo a is answered with Done, not with Did\n")
    BEGUN.replies("a", Failure(code="no", message="", retryable=False))


def test_a_wrong_outcome_is_reported_beside_the_right_one() -> None:
    over = AT_THE_PIVOT.replies("ship", Did()).replies("notify", Did())

    message = objection(lambda: over.ends(Status.COMPLETED, Finished(key="k-2")))
    assert message.splitlines()[:2] == [
        "expected the outcome Finished(key='k-2', seen=())",
        "the outcome is       Finished(key='k-1', seen=('a', 'b', 'ship', 'notify'))",
    ]


def test_a_signal_that_was_not_ignored_is_reported() -> None:
    assert objection(lambda: BEGUN.cancels().ignores(Ignored.LATE)).splitlines()[:2] == [
        "expected it to be ignored: late",
        "it was ignored:            None",
    ]


def test_a_command_that_was_never_sent_cannot_be_looked_at() -> None:
    assert objection(lambda: BEGUN.command(command("ship"))).startswith("no Do ship was sent\n")
    assert objection(lambda: BEGUN.command(command("a"), step="b")).startswith("no Do a was sent by b\n")


def test_while_the_coordinator_sleeps_no_timer_fires() -> None:
    asleep = BEGUN.sleeps(10 * MINUTE).expects()

    assert asleep.at == BEGINNING + 10 * MINUTE
    assert asleep.instance is BEGUN.instance


def test_overdue_timers_fire_at_once_after_a_sleep_and_not_in_the_past() -> None:
    fired = BEGUN.sleeps(90 * SECOND).passes(timedelta(0)).expects("a")

    assert fired.instance.steps["a"].forward.asked_at == BEGINNING + 90 * SECOND


def test_a_reply_can_arrive_before_a_timer_that_became_due_in_downtime() -> None:
    BEGUN.sleeps(MINUTE).replies("a", Did()).expects().replies("b", Did()).expects("ship")


# --- what a test must not pass over


WAITS = saga(compensatable("a"), awaits("payment"), point_of_no_return("ship"))


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        (lambda: BEGUN.expects("a", "bb"), "saga made has no step 'bb': did you mean b?"),
        (lambda: BEGUN.replies("shipp", Did()), "saga made has no step 'shipp': did you mean ship?"),
        (lambda: BEGUN.fails("zzz", code="no"), "saga made has no step 'zzz': it has a, b, ship, notify"),
        (lambda: UNDOING.undoes("a", "c"), "saga made has no step 'c': it has a, b, ship, notify"),
        (lambda: BEGUN.withdraws("notifi"), "saga made has no step 'notifi': did you mean notify?"),
        (lambda: BEGUN.retries("sip"), "saga made has no step 'sip': did you mean ship?"),
        (lambda: BEGUN.skips("sip"), "saga made has no step 'sip': did you mean ship?"),
    ],
)
def test_a_misspelt_step_is_reported_with_the_nearest_one(word: Callable[[], object], hint: str) -> None:
    assert objection(word).startswith(f"{hint}\n")


def test_an_event_that_the_saga_never_receives_fails() -> None:
    assert objection(lambda: BEGUN.happens(Paid())).startswith("nobody awaits Paid: saga made receives no event\n")
    assert objection(lambda: given(WAITS, Begun()).happens(Begun())).startswith(
        "nobody awaits Begun: saga made receives Paid\n"
    )


def test_an_event_that_comes_too_early_fails_unless_the_test_says_so() -> None:
    early = given(WAITS, Begun()).happens(Paid())

    for word in (lambda: early.replies("a", Did()), early.expects, lambda: early.ends(Status.RUNNING)):
        assert objection(word).startswith("nobody awaited Paid: it was ignored as early; say so by ignores(...)\n")
    early.ignores(Ignored.EARLY).replies("a", Did()).expects().happens(Paid()).expects("ship")


def test_an_event_of_another_instance_fails_and_names_both_keys() -> None:
    waiting = given(saga(compensatable("a"), awaits("payment"), point_of_no_return()), Begun()).replies("a", Did())
    billed = given(saga(awaits("bill", billed_to=True), point_of_no_return()), Begun())

    for story, awaited in ((waiting, "payment waits for 'k-1'"), (billed, "bill waits for 'bill of k-1'")):
        found = objection(partial(story.happens(OTHER).passes, MINUTE))
        assert found.startswith(f"nobody awaited Paid: it has the key 'k-2', and {awaited}; say so by ignores(...)\n")
        assert story.happens(OTHER).ignores(Ignored.LATE).status is Status.RUNNING
    found = objection(lambda: BEGUN.happens(Stopped(key="k-2")))
    assert found.startswith("Stopped cancels the instance of 'k-2', and this one is that of 'k-1'\n")


@pytest.mark.parametrize(("time", "remedy"), [(3600, "timedelta(seconds=3600)"), ("1h", "timedelta(...)")])
def test_a_time_that_is_no_timedelta_is_refused_with_what_to_write(time: Any, remedy: str) -> None:  # noqa: ANN401  no timedelta
    assert objection(lambda: BEGUN.passes(time)).startswith(
        f"passes takes a timedelta, not {time!r}: write passes({remedy})\n"
    )
    assert f"write sleeps({remedy})" in objection(lambda: BEGUN.sleeps(time))


def test_the_event_that_cancels_a_saga_cancels_it() -> None:
    given(WAITS, Begun()).replies("a", Did()).happens(Stopped(key="k-1")).undoes("a")
