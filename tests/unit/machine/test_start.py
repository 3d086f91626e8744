"""How an instance begins, and what only a broken definition or a broken caller can do."""

import pytest

from saga_coordinator.sagas import parallel
from saga_coordinator.sagas.machine import ReplyReceived, Start, Status, instance_id, transition
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import HOUR, MINUTE, TIME, Begun, Data, Did, compensatable, point_of_no_return, saga

PAIR = saga(parallel(compensatable("a"), compensatable("b")), point_of_no_return(), deadline=HOUR)


def test_i5_an_instance_has_the_id_of_its_saga_and_key() -> None:
    decision = transition(PAIR, None, Start(TIME, Begun(key="k-7", coins=3)))

    instance = decision.instance
    assert (instance.id, instance.key) == (instance_id("made", "k-7"), "k-7")
    assert (instance.saga, instance.version, instance.status) == ("made", 1, Status.RUNNING)
    assert instance.data == Data(key="k-7", coins=3)
    assert (instance.started_at, instance.deadline_at) == (TIME, TIME + HOUR)
    assert [send.step for send in decision.commands] == ["a", "b"]


def test_the_same_signal_is_decided_in_the_same_way_twice() -> None:
    once, again = (transition(PAIR, None, Start(TIME, Begun())) for _ in range(2))

    assert once == again


def test_a_signal_to_an_instance_that_was_never_started_is_the_callers_fault() -> None:
    with pytest.raises(LookupError, match="saga made: ReplyReceived for an instance that was never started"):
        transition(PAIR, None, ReplyReceived(TIME, "nobody", Did()))


def test_what_a_function_of_the_definition_raises_comes_out_and_changes_nothing() -> None:
    begun = given(PAIR, Begun())
    before = repr(begun.instance)

    with pytest.raises(AttributeError):
        transition(PAIR, begun.instance, ReplyReceived(TIME, begun.sent[0].command_id, Begun()))  # type: ignore[arg-type]  # not a reply: what `remember` makes of it is its own fault

    assert repr(begun.instance) == before


def test_the_instance_that_came_in_is_never_touched() -> None:
    begun = given(PAIR, Begun())
    before = repr(begun.instance)

    begun.replies("a", Did()).cancels().replies("b", Did())

    assert repr(begun.instance) == before


def test_finished_instances_say_when_they_ended() -> None:
    ending = given(PAIR, Begun()).passes(MINUTE).undone("a").passes(MINUTE / 2)
    assert ending.instance.ended_at is None

    assert ending.undone("b").instance.ended_at == TIME + 1.5 * MINUTE
