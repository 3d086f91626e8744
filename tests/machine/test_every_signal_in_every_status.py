"""The whole table of the machine: what each signal does to an instance in each situation."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from contracts import Failure
from sagas.machine import (
    Answer,
    Cancel,
    Cause,
    Decision,
    Obstruct,
    Pause,
    Resume,
    Retry,
    Send,
    Signal,
    Start,
    Wake,
    transition,
)
from sagas.scenario import Scenario, given
from tests.machine.made import Begun, Data, Did, compensatable, point_of_no_return, retriable, saga

TWICE = Retry(attempts=2, first=timedelta(seconds=10), jitter=0.0)
SHORT = saga(
    compensatable("a", retry=TWICE, compensate_retry=TWICE),
    point_of_no_return("p", retry=TWICE),
    retriable("z"),
    deadline=timedelta(hours=1),
)

RUNNING = given(SHORT, Begun())
AT_THE_PIVOT = RUNNING.replies("a", Did())
PAST_THE_PIVOT = AT_THE_PIVOT.replies("p", Did())
COMPENSATING = AT_THE_PIVOT.fails("p", code="no")

SITUATIONS: dict[str, Scenario[Data]] = {
    "running": RUNNING,
    "waiting to ask again": RUNNING.fails("a", code="busy", retryable=True),
    "paused": RUNNING.pauses(),
    "at the pivot": AT_THE_PIVOT,
    "pivot waiting": AT_THE_PIVOT.fails("p", code="busy", retryable=True),
    "past the pivot": PAST_THE_PIVOT,
    "turning back": RUNNING.cancels(),
    "compensating": COMPENSATING,
    "compensating, paused": COMPENSATING.pauses(),
    "stalled past the pivot": PAST_THE_PIVOT.fails("z", code="no"),
    "stalled compensating": COMPENSATING.undo_fails("a", code="no"),
    "completed": PAST_THE_PIVOT.replies("z", Did()),
    "compensated": COMPENSATING.undone("a"),
}


def success(scenario: Scenario[Data]) -> Signal:
    last = scenario.sent[-1]
    return Answer(scenario.at, last.command_id, last.command.reply())


def refusal(scenario: Scenario[Data]) -> Signal:
    return Answer(scenario.at, scenario.sent[-1].command_id, Failure(code="no", message="no", retryable=False))


def busy(scenario: Scenario[Data]) -> Signal:
    return Answer(scenario.at, scenario.sent[-1].command_id, Failure(code="busy", message="busy", retryable=True))


def stranger(scenario: Scenario[Data]) -> Signal:
    return Answer(scenario.at, "nobody", Did())


def alarm(scenario: Scenario[Data]) -> Signal:
    return Wake(scenario.instance.wake_at or scenario.at + timedelta(days=1))


def early_alarm(scenario: Scenario[Data]) -> Signal:
    return Wake(scenario.at)


def start(scenario: Scenario[Data]) -> Signal:
    return Start(scenario.at, Begun())


def cancel(scenario: Scenario[Data]) -> Signal:
    return Cancel(scenario.at, "not wanted")


def pause(scenario: Scenario[Data]) -> Signal:
    return Pause(scenario.at, "olga", "to look")


def resume(scenario: Scenario[Data]) -> Signal:
    return Resume(scenario.at, "olga", "looked")


def obstruct(scenario: Scenario[Data]) -> Signal:
    return Obstruct(scenario.at, Cause("a", "too-large", "cannot be published"), scenario.sent[-1].command_id)


SIGNALS: tuple[Callable[[Scenario[Data]], Signal], ...] = (
    success, refusal, busy, stranger, alarm, early_alarm, start, cancel, pause, resume, obstruct,
)  # fmt: skip

TABLE: dict[str, tuple[str, ...]] = {
    "running": (
        "running: p/1",  # success
        "compensated and tells Unwound",  # refusal
        "running",  # busy
        "ignored: unknown",  # stranger
        "running: a/1",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "compensating",  # cancel
        "running, paused",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "waiting to ask again": (
        "ignored: duplicate",  # success
        "ignored: duplicate",  # refusal
        "ignored: duplicate",  # busy
        "ignored: unknown",  # stranger
        "running: a/2",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "compensated and tells Unwound",  # cancel
        "running, paused",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "paused": (
        "running, paused",  # success
        "compensating, paused",  # refusal
        "running, paused",  # busy
        "ignored: unknown",  # stranger
        "ignored: not due",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "compensating, paused",  # cancel
        "ignored: out of place",  # pause
        "running",  # resume
        "stalled",  # obstruct
    ),
    "at the pivot": (
        "running: z/1",  # success
        "compensating: undo a/1",  # refusal
        "running",  # busy
        "ignored: unknown",  # stranger
        "running: p/1",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: past the pivot",  # cancel
        "running, paused",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "pivot waiting": (
        "ignored: duplicate",  # success
        "ignored: duplicate",  # refusal
        "ignored: duplicate",  # busy
        "ignored: unknown",  # stranger
        "running: p/2",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: past the pivot",  # cancel
        "running, paused",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "past the pivot": (
        "completed and tells Finished",  # success
        "stalled",  # refusal
        "running",  # busy
        "ignored: unknown",  # stranger
        "running: z/1",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: past the pivot",  # cancel
        "running, paused",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "turning back": (
        "compensating: undo a/1",  # success
        "compensated and tells Unwound",  # refusal
        "compensated and tells Unwound",  # busy
        "ignored: unknown",  # stranger
        "compensating: undo a/1",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: duplicate",  # cancel
        "compensating, paused",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "compensating": (
        "compensated and tells Unwound",  # success
        "stalled",  # refusal
        "compensating",  # busy
        "ignored: unknown",  # stranger
        "compensating: undo a/1",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: duplicate",  # cancel
        "compensating, paused",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "compensating, paused": (
        "compensating, paused",  # success
        "stalled",  # refusal
        "compensating, paused",  # busy
        "ignored: unknown",  # stranger
        "ignored: not due",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: duplicate",  # cancel
        "ignored: out of place",  # pause
        "compensating",  # resume
        "stalled",  # obstruct
    ),
    "stalled past the pivot": (
        "ignored: duplicate",  # success
        "ignored: duplicate",  # refusal
        "ignored: duplicate",  # busy
        "ignored: unknown",  # stranger
        "ignored: not due",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: past the pivot",  # cancel
        "ignored: out of place",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "stalled compensating": (
        "ignored: duplicate",  # success
        "ignored: duplicate",  # refusal
        "ignored: duplicate",  # busy
        "ignored: unknown",  # stranger
        "ignored: not due",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: duplicate",  # cancel
        "ignored: out of place",  # pause
        "ignored: out of place",  # resume
        "stalled",  # obstruct
    ),
    "completed": (
        "ignored: duplicate",  # success
        "ignored: duplicate",  # refusal
        "ignored: duplicate",  # busy
        "ignored: unknown",  # stranger
        "ignored: not due",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: late",  # cancel
        "ignored: out of place",  # pause
        "ignored: out of place",  # resume
        "ignored: late",  # obstruct
    ),
    "compensated": (
        "ignored: duplicate",  # success
        "ignored: duplicate",  # refusal
        "ignored: duplicate",  # busy
        "ignored: unknown",  # stranger
        "ignored: not due",  # alarm
        "ignored: not due",  # early alarm
        "ignored: duplicate",  # start
        "ignored: late",  # cancel
        "ignored: out of place",  # pause
        "ignored: out of place",  # resume
        "ignored: late",  # obstruct
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.__name__)
def test_every_signal_has_its_effect_in_every_situation(
    situation: str, signal: Callable[[Scenario[Data]], Signal]
) -> None:
    scenario = SITUATIONS[situation]
    decision = transition(SHORT, scenario.instance, signal(scenario))
    assert told(decision) == TABLE[situation][SIGNALS.index(signal)]


def told(decision: Decision[Data]) -> str:
    """What was decided, in a few words."""
    if decision.ignored is not None:
        return f"ignored: {decision.ignored}"
    after = decision.instance
    flag = ", paused" if after.paused_at else ""
    sent = ", ".join(called(send) for send in decision.commands)
    outcome = f" and tells {type(decision.outcome).__name__}" if decision.outcome else ""
    return f"{after.status}{flag}{f': {sent}' if sent else ''}{outcome}"


def called(send: Send) -> str:
    return f"{'undo ' if send.compensates else ''}{send.step}/{send.attempt}"
