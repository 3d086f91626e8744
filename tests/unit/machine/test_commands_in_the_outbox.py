"""A command in the outbox has no reply: its timeout starts again, and no sending is counted (rule 4)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from saga_coordinator.sagas import ONCE, Retry, Saga, parallel
from saga_coordinator.sagas.machine import Decision, Direction, Ignored, Instance, Status, TimerFired, transition
from saga_coordinator.sagas.testing.scenario import BEGINNING, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)

TWICE = Retry(attempts=2, first=SECOND, jitter=0.0)
ONE = saga(compensatable("a", retry=ONCE, compensate_retry=TWICE), point_of_no_return())
UNDOING = given(ONE, Begun()).replies("a", Did()).fails("pivot", code="no")


def fired(saga: Saga[Any, Data], instance: Instance[Data], at: datetime, *unsent: str) -> Decision[Data]:
    """Fire the instance's timer while these commands are in the outbox."""
    return transition(saga, instance, TimerFired(at, unsent))


def sent(decision: Decision[Data]) -> list[str]:
    return [each.step for each in decision.commands]


def command_state(instance: Instance[Data], step: str, direction: Direction = Direction.FORWARD) -> Any:  # noqa: ANN401  a leg, or None
    return instance.steps[step].command_state(direction)


def test_a_step_without_a_retry_is_not_given_up_while_its_command_has_not_left() -> None:
    asked = given(ONE, Begun())
    (command,) = asked.sent
    late = BEGINNING + 7 * MINUTE

    waits = fired(ONE, asked.instance, late, command.command_id)

    assert (sent(waits), waits.instance.status, waits.instance.cause) == ([], Status.RUNNING, None)
    assert (command_state(waits.instance, "a").sendings, command_state(waits.instance, "a").due_at) == (
        1,
        late + MINUTE,
    )


def test_once_it_has_left_its_silence_counts() -> None:
    asked = given(ONE, Begun())
    waits = fired(ONE, asked.instance, BEGINNING + MINUTE, asked.sent[0].command_id).instance

    early = fired(ONE, waits, BEGINNING + 2 * MINUTE - SECOND)
    given_up = fired(ONE, waits, BEGINNING + 2 * MINUTE)

    assert early.ignored is Ignored.NOT_DUE
    assert given_up.instance.status is Status.COMPENSATING
    assert [(each.step, each.direction) for each in given_up.commands] == [("a", Direction.COMPENSATION)]


def test_an_undo_does_not_stall_however_long_it_cannot_leave() -> None:
    instance, undo = UNDOING.instance, UNDOING.sent[-1]
    for hours in range(1, 100):
        decision = fired(ONE, instance, BEGINNING + hours * HOUR, undo.command_id)
        instance = decision.instance
        assert (decision.commands, instance.status) == ((), Status.COMPENSATING)

    assert command_state(instance, "a", Direction.COMPENSATION).sendings == 1
    assert sent(fired(ONE, instance, BEGINNING + 100 * HOUR)) == ["a"]


def test_only_the_command_that_has_not_left_is_given_time() -> None:
    pair = saga(parallel(compensatable("a", retry=TWICE), compensatable("b", retry=TWICE)), point_of_no_return())
    asked = given(pair, Begun())
    first, _ = asked.sent

    decision = fired(pair, asked.instance, BEGINNING + MINUTE, first.command_id)

    assert sent(decision) == ["b"]
    assert [command_state(decision.instance, name).sendings for name in "ab"] == [1, 2]


def test_time_that_is_not_over_yet_stays_as_it_is() -> None:
    pair = saga(parallel(compensatable("a"), compensatable("b", timeout=HOUR)), point_of_no_return())
    asked = given(pair, Begun())

    decision = fired(pair, asked.instance, BEGINNING + MINUTE, *(each.command_id for each in asked.sent))

    assert [command_state(decision.instance, name).due_at - BEGINNING for name in "ab"] == [2 * MINUTE, HOUR]


def test_what_waits_to_be_asked_under_a_new_id_is_asked() -> None:
    twice = saga(compensatable("a", retry=TWICE), point_of_no_return())
    waiting = given(twice, Begun()).fails("a", code="busy", retryable=True)

    decision = fired(twice, waiting.instance, BEGINNING + SECOND, waiting.sent[0].command_id)

    assert [(each.step, each.attempt) for each in decision.commands] == [("a", 2)]


def test_time_in_which_it_could_not_leave_is_no_part_of_the_total_time_of_a_retry() -> None:
    patient = Retry(attempts=10, first=SECOND, jitter=0.0, total=5 * MINUTE)
    line = saga(compensatable("a", retry=patient), point_of_no_return())
    asked = given(line, Begun())
    instance = asked.instance
    for minutes in range(1, 30):
        instance = fired(line, instance, BEGINNING + minutes * MINUTE, asked.sent[0].command_id).instance

    assert command_state(instance, "a").since == BEGINNING + 29 * MINUTE
    assert sent(fired(line, instance, BEGINNING + 30 * MINUTE)) == ["a"]


def test_the_deadline_turns_the_instance_back_all_the_same_and_what_has_not_left_is_awaited_first() -> None:
    limited = saga(compensatable("a"), point_of_no_return(), deadline=10 * MINUTE)
    asked = given(limited, Begun())
    (command,) = asked.sent

    back = fired(limited, asked.instance, BEGINNING + 10 * MINUTE, command.command_id)
    later = fired(limited, back.instance, BEGINNING + 11 * MINUTE, command.command_id)
    left = fired(limited, later.instance, BEGINNING + 12 * MINUTE)

    assert back.instance.status is later.instance.status is Status.COMPENSATING
    assert (sent(back), sent(later)) == ([], [])
    assert [(each.step, each.direction) for each in left.commands] == [("a", Direction.COMPENSATION)]


def test_after_the_pivot_no_second_copy_is_put_behind_one_that_cannot_leave() -> None:
    line = saga(point_of_no_return(), retriable("after"))
    asked = given(line, Begun()).replies("pivot", Did())
    command = asked.sent[-1].command_id

    decision = fired(line, asked.instance, BEGINNING + HOUR, command)

    assert (decision.instance.status, sent(decision)) == (Status.RUNNING, [])


@pytest.mark.parametrize("time", [timedelta(0), 30 * SECOND])
def test_a_timer_that_fires_too_early_is_ignored_whatever_is_in_the_outbox(time: timedelta) -> None:
    asked = given(ONE, Begun())

    assert fired(ONE, asked.instance, BEGINNING + time, asked.sent[0].command_id).ignored is Ignored.NOT_DUE
