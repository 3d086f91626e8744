"""While paused, replies are recorded and nothing is sent; resuming moves the timers, but not the deadline (rule 8)."""

from datetime import timedelta

from saga_coordinator.sagas import Retry, parallel
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import BEGINNING, given
from tests.support.saga_kit import HOUR, MINUTE, SECOND, Begun, Did, compensatable, point_of_no_return, retriable, saga

PAIR = saga(
    parallel(
        compensatable("a", retry=Retry(attempts=2, first=30 * SECOND, jitter=0.0)),
        compensatable("b", timeout=2 * MINUTE, retry=Retry(attempts=3)),
    ),
    point_of_no_return(),
    retriable("z"),
    deadline=HOUR,
)
PAUSED = given(PAIR, Begun()).passes(30 * SECOND).pauses()


def test_a_paused_instance_has_no_timer_and_sends_nothing() -> None:
    assert PAUSED.instance.next_timer_at is None
    PAUSED.passes(HOUR).expects()


def test_replies_are_recorded_while_paused_and_acted_upon_afterwards() -> None:
    answered = PAUSED.replies("a", Did()).expects().replies("b", Did()).expects()

    assert answered.data.seen == ("a", "b")
    answered.resumes().expects("pivot")


def test_resuming_moves_timeouts_by_the_length_of_the_pause() -> None:
    resumed = PAUSED.passes(10 * MINUTE).resumes().expects()

    due = {name: run.forward.due_at for name, run in resumed.instance.steps.items()}
    assert due == {"a": BEGINNING + 11 * MINUTE, "b": BEGINNING + 12 * MINUTE}


def test_resuming_moves_a_retry_too() -> None:
    waiting = given(PAIR, Begun()).fails("a", code="busy", retryable=True).passes(10 * SECOND).pauses()

    waiting.passes(MINUTE).resumes().expects().passes(19 * SECOND).expects().passes(SECOND).expects("a")


def test_resuming_moves_the_timeout_of_an_undo() -> None:
    one = saga(compensatable("a", compensate_retry=Retry(attempts=2)), point_of_no_return())
    undoing = given(one, Begun()).replies("a", Did()).fails("pivot", code="no").passes(50 * SECOND)

    undoing.pauses().passes(HOUR).resumes().expects().passes(9 * SECOND).expects().passes(SECOND).undoes("a")


def test_the_deadline_stays_where_it_was() -> None:
    assert PAUSED.passes(MINUTE).resumes().instance.deadline_at == BEGINNING + HOUR
    late = PAUSED.passes(HOUR).resumes()
    assert late.status is Status.COMPENSATING
    assert late.instance.cause is not None
    assert late.instance.cause.code == "deadline-passed"


def test_a_cancel_while_paused_compensates_and_sends_nothing_until_it_is_resumed() -> None:
    given(PAIR, Begun()).replies("a", Did()).replies("b", Did())
    cancelled = PAUSED.replies("a", Did()).replies("b", Did()).cancels().expects()

    assert cancelled.status is Status.COMPENSATING
    cancelled.resumes().undoes("a", "b")


def test_a_refusal_past_the_pivot_stalls_also_while_paused_and_ends_the_pause() -> None:
    past = PAUSED.resumes().replies("a", Did()).replies("b", Did()).replies("pivot", Did()).pauses()

    stalled = past.fails("z", code="no").ends(Status.STALLED)
    assert stalled.instance.paused_at is None


def test_a_pause_of_no_length_moves_nothing() -> None:
    assert PAUSED.resumes().instance.next_timer_at == BEGINNING + MINUTE
    assert PAUSED.passes(timedelta(0)).resumes().instance.next_timer_at == BEGINNING + MINUTE
