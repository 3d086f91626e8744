"""A receive waits for one business event: by its address, for so long, and each event once."""

from saga_coordinator.contracts import Event
from saga_coordinator.sagas import parallel, receive, series
from saga_coordinator.sagas.machine import Decision, EventReceived, Ignored, Progress, Status, instance_id, transition
from saga_coordinator.sagas.testing.scenario import BEGINNING, Scenario, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    Paid,
    Stopped,
    awaits,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)
from tests.unit.machine._support.blocked import obstructed

PAID_FOR = saga(compensatable("a"), awaits("payment", timeout=10 * MINUTE), point_of_no_return(), retriable("z"))
BEGUN = given(PAID_FOR, Begun())
WAITING = BEGUN.replies("a", Did())
AFTERWARDS = saga(point_of_no_return(), awaits("payment"), retriable("z"))


def event_at(scenario: Scenario[Data], address: str, id_: str = "e-1") -> Decision[Data]:
    """What an event decides that comes at an address."""
    return transition(scenario.saga, scenario.instance, EventReceived(scenario.at, Paid(), address, id_))


class Vetted(Event):
    """Another event than `Paid`."""

    message_type, topic = "made.vetted.v1", "made.events.v1"

    key: str


def vetted_key(event: Vetted) -> str:
    """The key of who was vetted."""
    return event.key


def test_an_event_in_time_is_remembered_and_the_saga_goes_on() -> None:
    paid = WAITING.expects().passes(9 * MINUTE).happens(Paid(word="cash")).expects("pivot")

    assert paid.data.seen == ("a", "payment:cash")


def test_it_waits_from_when_it_is_reached() -> None:
    waiting = BEGUN.passes(30 * SECOND).replies("a", Did())

    wait = waiting.instance.waits["payment"]
    assert (wait.progress, wait.due_at) == (Progress.ASKED, BEGINNING + 30 * SECOND + 10 * MINUTE)
    assert waiting.instance.next_timer_at == wait.due_at


def test_an_event_that_comes_before_it_is_reached_is_early() -> None:
    early = BEGUN.happens(Paid()).ignores(Ignored.EARLY)

    assert early.instance is BEGUN.instance
    early.replies("a", Did()).happens(Paid()).expects("pivot")


def test_an_event_that_comes_while_it_is_obstructed_may_still_be_awaited() -> None:
    stalled = obstructed(BEGUN)

    stalled.happens(Paid()).ignores(Ignored.EARLY).ends(Status.STALLED)


def test_an_event_is_taken_once_by_its_id() -> None:
    paid = WAITING.happens(Paid(), id="e-1")

    paid.happens(Paid(), id="e-1").ignores(Ignored.DUPLICATE)
    paid.happens(Paid(), id="e-2").ignores(Ignored.LATE)


def test_events_of_two_senders_may_have_the_same_id() -> None:
    both = saga(parallel(awaits("risk", timeout=HOUR), awaits("legal", timeout=HOUR)))
    one = given(both, Begun()).happens(Paid(word="ok"), id="17", source="/risk")

    one.happens(Paid(word="ok"), id="17", source="/risk").ignores(Ignored.DUPLICATE)
    two = one.happens(Paid(word="ok"), id="17", source="/legal").ends(Status.COMPLETED)
    assert two.data.seen == ("risk:ok", "legal:ok")


def test_an_event_of_another_type_under_the_same_id_is_no_copy() -> None:
    both = saga(parallel(awaits("payment", timeout=HOUR), receive("vetting", Vetted, key=vetted_key, timeout=HOUR)))
    paid = given(both, Begun()).happens(Paid(), id="17", source="/shop")

    paid.happens(Vetted(key="k-1"), id="17", source="/shop").ends(Status.COMPLETED)


def test_an_event_received_before_sources_were_kept_is_compared_by_its_id() -> None:
    """Both the stored instance and a row of an old history lack the source."""
    both = saga(parallel(awaits("risk", timeout=HOUR), awaits("legal", timeout=HOUR)))
    one = given(both, Begun())
    old = transition(both, one.instance, EventReceived(one.at, Paid(), one.instance.id, "17")).instance

    for source in ("/risk", None):
        again = transition(both, old, EventReceived(one.at, Paid(), one.instance.id, "17", source))
        assert again.ignored is Ignored.DUPLICATE


def test_a_copy_of_an_event_is_not_taken_by_another_receive_that_is_reached_later() -> None:
    both = saga(parallel(awaits("second", timeout=HOUR), compensatable("a")), awaits("first", timeout=HOUR))
    paid = given(both, Begun()).happens(Paid(), id="e-1").replies("a", Did())

    paid.happens(Paid(), id="e-1").ignores(Ignored.DUPLICATE)
    paid.happens(Paid(), id="e-2").ends(Status.COMPLETED)


def test_a_copy_is_known_though_the_receive_that_took_it_stands_behind_one_that_waits() -> None:
    """The first in the definition is reached last: it must not take what the second has taken."""
    crossed = saga(parallel(series(compensatable("a"), awaits("slow", timeout=HOUR)), awaits("quick", timeout=HOUR)))
    paid = given(crossed, Begun()).happens(Paid(), id="e-1").replies("a", Did())

    paid.happens(Paid(), id="e-1").ignores(Ignored.DUPLICATE)


def test_no_event_in_time_is_a_failure_before_the_pivot() -> None:
    silent = WAITING.passes(10 * MINUTE).undoes("a")

    cause = silent.instance.cause
    assert cause is not None
    assert (cause.step, cause.code) == ("payment", "timed-out")
    silent.happens(Paid()).ignores(Ignored.LATE)
    silent.undone("a").ends(Status.COMPENSATED).happens(Paid()).ignores(Ignored.LATE)


def test_no_event_in_time_stalls_after_the_pivot() -> None:
    silent = given(AFTERWARDS, Begun()).replies("pivot", Did()).passes(MINUTE).ends(Status.STALLED)

    stall = silent.instance.stall
    assert stall is not None
    assert (stall.step, stall.code) == ("payment", "timed-out")
    silent.happens(Paid()).ignores(Ignored.LATE)


def test_an_event_at_the_very_instant_of_the_timeout_wins_if_it_comes_first() -> None:
    at_the_instant = WAITING.passes(10 * MINUTE - SECOND).happens(Paid())

    at_the_instant.expects("pivot").passes(SECOND).expects()


def test_with_expects_it_is_found_by_the_key_that_the_data_hold() -> None:
    billed = saga(awaits("payment", billed_to=True), point_of_no_return())

    waiting = given(billed, Begun())
    other = event_at(waiting, instance_id("made", "k-1"))
    assert (other.ignored, other.instance) == (Ignored.LATE, waiting.instance)
    waiting.happens(Paid(key="somebody else")).expects("pivot")


def test_an_event_of_another_kind_is_not_taken() -> None:
    stopped = EventReceived(WAITING.at, Stopped(key="k-1"), WAITING.instance.id, "e-1")
    assert transition(WAITING.saga, WAITING.instance, stopped).ignored is Ignored.LATE


def test_it_is_dropped_when_the_instance_compensates() -> None:
    group = saga(parallel(awaits("payment"), compensatable("a"), compensatable("b")), point_of_no_return())
    refused = given(group, Begun()).replies("a", Did()).fails("b", code="no").undoes("a")

    assert refused.instance.waits["payment"].progress is Progress.REFUSED
    refused.happens(Paid()).ignores(Ignored.LATE)
    assert refused.instance.next_timer_at == BEGINNING + MINUTE
    given(group, Begun()).cancels().happens(Paid()).ignores(Ignored.LATE)


def test_an_event_that_comes_while_paused_is_recorded_and_acted_upon_afterwards() -> None:
    paid = WAITING.pauses().passes(HOUR).happens(Paid()).expects()

    assert paid.data.seen == ("a", "payment")
    paid.resumes().expects("pivot")


def test_a_pause_moves_the_timeout_of_a_receive() -> None:
    resumed = WAITING.passes(MINUTE).pauses().passes(HOUR).resumes().expects()

    assert resumed.instance.waits["payment"].due_at == BEGINNING + HOUR + 10 * MINUTE


def test_an_event_that_comes_while_stalled_is_recorded() -> None:
    group = saga(point_of_no_return(), parallel(awaits("payment"), retriable("z")))
    stalled = given(group, Begun()).replies("pivot", Did()).fails("z", code="no").ends(Status.STALLED)

    paid = stalled.happens(Paid()).ends(Status.STALLED)
    assert paid.data.seen == ("pivot", "payment")
