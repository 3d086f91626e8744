"""A saga that starts on a command is a child: it answers with its outcome, and its parent may withdraw the command."""

from datetime import timedelta
from typing import Any

import pytest

from saga_coordinator.contracts import Command, Done, Failure
from saga_coordinator.sagas import Cause, Saga, alternatives, parallel, series
from saga_coordinator.sagas.language.nodes import Node
from saga_coordinator.sagas.machine import Cancel, Start, Status, command_id, instance_id, outcome_of, transition
from saga_coordinator.sagas.testing.scenario import BEGINNING, PARENT, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    child,
    command,
    compensatable,
    point_of_no_return,
    saga,
)

Perform: type[Command[Any]] = command("perform", cancellable=True)
a, b, sub, other = compensatable("a"), compensatable("b"), child("sub"), child("other")
PARENT_OF_ONE = saga(parallel(sub, a), point_of_no_return())


def perform(performance: Command[Any]) -> Data:
    return Data(key=performance.model_dump()["key"], coins=0)


perform.__annotations__["performance"] = Perform


def key_of(performance: Command[Any]) -> str:
    return str(performance.model_dump()["key"])


key_of.__annotations__["performance"] = Perform


def performed(data: Data) -> Did:
    return Did(word=" ".join(data.seen))


def busy(_: Data, cause: Cause) -> Failure:
    return Failure(code=f"performance: {cause.code}", message=cause.message, retryable=True)


def performance(*nodes: Node[Data], explained: bool = False) -> Saga[Command[Any], Data]:
    """A child saga of these nodes; `explained`: it says itself what its failure is."""
    return Saga(
        name="performance",
        version=1,
        starts_on=Perform,
        correlate=key_of,
        begin=perform,
        steps=nodes,
        on_completed=performed,
        on_compensated=busy if explained else None,
    )


PERFORM = Perform.model_validate({"key": "k-1", "seen": ()})
CHILD = performance(a, point_of_no_return())


def test_a_child_is_identified_by_the_command_that_it_executes() -> None:
    asked = command_id(PARENT, "child", "forward", 1)

    begun = transition(CHILD, None, Start(BEGINNING, PERFORM, asked)).instance
    assert begun.id == instance_id("performance", asked)
    assert begun.key == "k-1"
    second = transition(CHILD, None, Start(BEGINNING, PERFORM, command_id(PARENT, "child", "forward", 2)))
    assert second.instance.id != begun.id


def test_what_it_has_completed_is_the_reply() -> None:
    given(CHILD, PERFORM).replies("a", Did()).replies("pivot", Did()).ends(Status.COMPLETED, Did(word="a pivot"))


def test_what_it_has_undone_is_a_terminal_failure_of_the_same_cause() -> None:
    refused = given(CHILD, PERFORM).fails("a", code="no", message="not today")

    refused.ends(Status.COMPENSATED, Failure(code="no", message="not today", retryable=False))


def test_its_own_failure_is_terminal_even_if_it_says_otherwise() -> None:
    """Undone is undone: the same command asked again would find the same instance."""
    refused = given(performance(a, explained=True), PERFORM).fails("a", code="no")

    refused.ends(Status.COMPENSATED, Failure(code="performance: no", message="", retryable=False))
    instance = refused.instance
    assert outcome_of(refused.saga.plan, instance.status, instance.data, instance.cause) == refused.outcome


def test_a_cancel_passes_down_to_its_own_children() -> None:
    given(performance(sub, point_of_no_return()), PERFORM).cancels().withdraws("sub")


def test_a_refusal_beside_it_withdraws_its_command_once() -> None:
    refused = given(PARENT_OF_ONE, Begun()).fails("a", code="no", message="sold out").withdraws("sub")

    decision = transition(PARENT_OF_ONE, given(PARENT_OF_ONE, Begun()).instance, Cancel(BEGINNING, "why", "olga"))
    (withdrawal,) = decision.withdrawals
    assert withdrawal.step == "sub"
    assert withdrawal.command is command("sub", cancellable=True)
    assert withdrawal.message.command_id == refused.instance.steps["sub"].forward.command_id
    assert withdrawal.message.reason == "cancelled: why (olga)"
    refused.pauses().withdraws().resumes().withdraws().passes(MINUTE).withdraws()


def test_what_the_child_answers_decides_whether_it_is_undone() -> None:
    refused = given(PARENT_OF_ONE, Begun()).fails("a", code="no")

    refused.fails("sub", code="cancelled").ends(Status.COMPENSATED)
    refused.replies("sub", Did()).undoes("sub")
    refused.passes(HOUR).undoes("sub")


def test_a_deadline_withdraws_it() -> None:
    late = saga(child("sub", timeout=MINUTE), point_of_no_return(), deadline=MINUTE)
    soon = saga(series(a, child("sub", timeout=MINUTE)), point_of_no_return(), deadline=MINUTE)

    given(late, Begun()).passes(MINUTE - SECOND).withdraws().passes(SECOND).undoes("sub")
    given(soon, Begun()).passes(30 * SECOND).replies("a", Did()).passes(30 * SECOND).expects().withdraws("sub")


def test_one_that_was_answered_or_never_sent_is_not_withdrawn() -> None:
    answered = given(saga(sub, a, other, point_of_no_return()), Begun()).replies("sub", Did())

    answered.cancels().withdraws()


def test_a_command_that_no_child_carries_out_is_not_withdrawn() -> None:
    given(saga(parallel(a, b), point_of_no_return()), Begun()).fails("a", code="no").withdraws()


def test_inside_alternatives_it_is_withdrawn_only_when_its_own_one_compensates() -> None:
    apart = saga(parallel(alternatives(parallel(sub, a), b), other), point_of_no_return())

    local = given(apart, Begun()).fails("a", code="no").withdraws("sub")
    assert local.status is Status.RUNNING
    everything = local.cancels().withdraws("other")
    everything.fails("sub", code="cancelled").withdraws().fails("other", code="cancelled").ends(Status.COMPENSATED)


def test_a_compensation_while_paused_sends_withdrawals_when_it_is_resumed() -> None:
    paused = given(PARENT_OF_ONE, Begun()).pauses()

    paused.cancels().withdraws().resumes().withdraws("sub")
    paused.fails("a", code="no").withdraws().resumes().withdraws("sub")
    paused.cancels().replies("sub", Did()).resumes().withdraws().expects()


@pytest.mark.parametrize("silence", [MINUTE, timedelta(hours=2)])
def test_a_withdrawn_command_is_not_asked_again(silence: timedelta) -> None:
    cancelled = given(saga(sub, point_of_no_return()), Begun()).cancels()

    assert all(send.compensates for send in cancelled.passes(silence).sent[1:])
    cancelled.replies("sub", Did()).undoes("sub").undone("sub", Done()).ends(Status.COMPENSATED)
