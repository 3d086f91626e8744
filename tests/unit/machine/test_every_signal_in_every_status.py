"""The whole table of the machine: what each signal does to an instance in each situation.

The table is `every_signal_in_every_status.txt`, to be read: a line of it that changes is a promise that changes.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas import Cause, Retry, alternatives, delay, series
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    Decision,
    EventReceived,
    Instance,
    Park,
    Pause,
    ReplyReceived,
    Resolve,
    Resume,
    RetryStep,
    Send,
    Signal,
    SkipStep,
    Start,
    Status,
    TimerFired,
    Unpark,
    transition,
)
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    MINUTE,
    Begun,
    Data,
    Did,
    Paid,
    awaits,
    child,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)
from tests.unit.machine._support.blocked import obstructed

Signaller = Callable[[Scenario[Data]], Signal]

TWICE = Retry(attempts=2, first=timedelta(seconds=10), jitter=0.0)
LONG = saga(
    compensatable("a", retry=TWICE, compensate_retry=TWICE),
    alternatives(series(compensatable("b"), compensatable("c")), child("d", timeout=MINUTE)),
    awaits("w"),
    delay("wait", MINUTE),
    point_of_no_return("p", retry=TWICE),
    retriable("z"),
    awaits("v"),
    deadline=timedelta(hours=1),
)

BEGUN = given(LONG, Begun())
FIRST = BEGUN.replies("a", Did())
LEAVING = FIRST.replies("b", Did()).fails("c", code="no")
SECOND = LEAVING.undone("b")
AWAITING = FIRST.replies("b", Did()).replies("c", Did())
DELAYED = AWAITING.happens(Paid(), id="w")
AT_THE_PIVOT = DELAYED.passes(MINUTE)
PAST_THE_PIVOT = AT_THE_PIVOT.replies("p", Did())
AWAITING_LAST = PAST_THE_PIVOT.replies("z", Did())
COMPENSATING = AWAITING.cancels()

SITUATIONS: dict[str, Scenario[Data]] = {
    "running": BEGUN,
    "waiting to ask again": BEGUN.fails("a", code="busy", retryable=True),
    "paused": BEGUN.pauses(),
    "parked": BEGUN.parks(),
    "undoing an alternative": LEAVING,
    "trying the next alternative": SECOND,
    "awaiting an event": AWAITING,
    "in a delay": DELAYED,
    "at the pivot": AT_THE_PIVOT,
    "pivot waiting": AT_THE_PIVOT.fails("p", code="busy", retryable=True),
    "past the pivot": PAST_THE_PIVOT,
    "awaiting an event past the pivot": AWAITING_LAST,
    "cancelled": BEGUN.cancels(),
    "cancelled with a child": SECOND.cancels(),
    "compensating": COMPENSATING,
    "compensating, paused": COMPENSATING.pauses(),
    "stalled, blocked": obstructed(BEGUN, "a"),
    "stalled in an alternative": LEAVING.undo_fails("b", code="gone"),
    "stalled past the pivot": PAST_THE_PIVOT.fails("z", code="no"),
    "stalled for an event": AWAITING_LAST.passes(MINUTE),
    "stalled compensating": COMPENSATING.undo_fails("c", code="no"),
    "completed": AWAITING_LAST.happens(Paid(), id="v"),
    "compensated": COMPENSATING.undone("c").undone("b").undone("a"),
}


def success(scenario: Scenario[Data]) -> Signal:
    last = scenario.sent[-1]
    return ReplyReceived(scenario.at, last.command_id, last.command.reply())


def refusal(scenario: Scenario[Data]) -> Signal:
    return ReplyReceived(scenario.at, scenario.sent[-1].command_id, Failure(code="no", message="no", retryable=False))


def busy(scenario: Scenario[Data]) -> Signal:
    return ReplyReceived(
        scenario.at, scenario.sent[-1].command_id, Failure(code="busy", message="busy", retryable=True)
    )


def stranger(scenario: Scenario[Data]) -> Signal:
    return ReplyReceived(scenario.at, "nobody", Did())


def event(scenario: Scenario[Data]) -> Signal:
    return EventReceived(scenario.at, Paid(), scenario.instance.id, "e-1")


def event_again(scenario: Scenario[Data]) -> Signal:
    return EventReceived(scenario.at, Paid(), scenario.instance.id, "w")


def timer(scenario: Scenario[Data]) -> Signal:
    return TimerFired(scenario.instance.next_timer_at or scenario.at + timedelta(days=1))


def early_timer(scenario: Scenario[Data]) -> Signal:
    return TimerFired(scenario.at)


def start(scenario: Scenario[Data]) -> Signal:
    return Start(scenario.at, Begun())


def cancel(scenario: Scenario[Data]) -> Signal:
    return Cancel(scenario.at, "not wanted")


def cancel_by_hand(scenario: Scenario[Data]) -> Signal:
    return Cancel(scenario.at, "not wanted", "olga")


def pause(scenario: Scenario[Data]) -> Signal:
    return Pause(scenario.at, "olga", "to look")


def resume(scenario: Scenario[Data]) -> Signal:
    return Resume(scenario.at, "olga", "looked")


def retry_the_last(scenario: Scenario[Data]) -> Signal:
    return RetryStep(scenario.at, "olga", "put right", scenario.sent[-1].step)


def retry_the_wait(scenario: Scenario[Data]) -> Signal:
    return RetryStep(scenario.at, "olga", "put right", "v")


def retry_all(scenario: Scenario[Data]) -> Signal:
    return RetryStep(scenario.at, "olga", "put right")


def skip_the_last(scenario: Scenario[Data]) -> Signal:
    last = scenario.sent[-1]
    return SkipStep(scenario.at, "olga", "done by hand", last.step, last.command.reply())


def skip_the_wait(scenario: Scenario[Data]) -> Signal:
    return SkipStep(scenario.at, "olga", "done by hand", "w", Paid())


def resolve_as_completed(scenario: Scenario[Data]) -> Signal:
    return Resolve(scenario.at, "olga", "done by hand", Status.COMPLETED)


def resolve_as_compensated(scenario: Scenario[Data]) -> Signal:
    return Resolve(scenario.at, "olga", "undone by hand", Status.COMPENSATED)


def block(scenario: Scenario[Data]) -> Signal:
    return Block(scenario.at, Cause("a", "too-large", "cannot be published"), scenario.sent[-1].command_id)


def park(scenario: Scenario[Data]) -> Signal:
    return Park(scenario.at, "topic:0:0")


def unpark(scenario: Scenario[Data]) -> Signal:
    return Unpark(scenario.at)


SIGNALS: tuple[Signaller, ...] = (
    success, refusal, busy, stranger, event, event_again, timer, early_timer, start, cancel, cancel_by_hand, pause,
    resume, retry_the_last, retry_the_wait, retry_all, skip_the_last, skip_the_wait, resolve_as_completed,
    resolve_as_compensated, block, park, unpark,
)  # fmt: skip


def table() -> dict[str, dict[str, str]]:
    """Read the table: a line for each situation, and below it one for each signal."""
    written: dict[str, dict[str, str]] = {}
    situation = ""
    for line in Path(__file__).with_name("every_signal_in_every_status.txt").read_text("utf-8").splitlines():
        if line.startswith("    "):
            signal, effect = line.split(":", 1)
            written[situation][signal.strip()] = effect.strip()
        elif line:
            situation = line
            written[situation] = {}
    return written


TABLE = table()


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.__name__)
def test_every_signal_has_its_effect_in_every_situation(situation: str, signal: Signaller) -> None:
    scenario = SITUATIONS[situation]

    decision = transition(LONG, scenario.instance, signal(scenario))
    assert effect_of(scenario.instance, decision) == TABLE[situation][signal.__name__]


def test_the_table_has_no_line_too_many() -> None:
    names = {signal.__name__ for signal in SIGNALS}

    assert {situation: set(effects) for situation, effects in TABLE.items()} == dict.fromkeys(SITUATIONS, names)


def effect_of(before: Instance[Data], decision: Decision[Data]) -> str:
    """Return what was decided, in a few words."""
    if decision.ignored is not None:
        return f"ignored: {decision.ignored}"
    after = decision.instance
    doings = [called(send) for send in decision.commands]
    doings += [f"withdraw {each.step}" for each in decision.withdrawals]
    doings += [
        f"{name} {wait.progress}"
        for name, wait in after.waits.items()
        if name not in before.waits or wait.progress is not before.waits[name].progress
    ]
    doings += [f"publish {type(decision.outcome).__name__}"] if decision.outcome else []
    flag = (", paused" if after.paused_at else "") + (", parked" if after.parked_at else "")
    return f"{after.status}{flag}" + (f": {', '.join(doings)}" if doings else "")


def called(send: Send) -> str:
    return f"{'undo ' if send.compensates else ''}{send.step}/{send.attempt}"
