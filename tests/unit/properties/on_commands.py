"""Invariants of commands, replies and events, each a check by name of one turn."""

from typing import Any
from uuid import UUID, uuid5

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.machine import (
    Block,
    EventReceived,
    Instance,
    Progress,
    ReplyReceived,
    Resolve,
    RetryStep,
    SkipStep,
    Start,
    leaf,
    transition,
)
from tests.unit.properties.witness import FORWARD, Witness
from tests.unit.properties.world import Turned


def i6_an_id_is_derived_and_keeps_its_content(witness: Witness, turned: Turned) -> None:
    for send in turned.decision.commands:
        name = f"{send.step}/{send.direction}/{send.attempt}"
        assert send.command_id == str(uuid5(UUID(turned.after.id), name))
        assert witness.contents.get(send.command_id, send) == send, "published again with another content"


def i8_an_effect_stands_at_most_once(witness: Witness, _: Turned) -> None:
    assert all(count <= 1 for count in witness.world.participants.net().values())


def i9_a_new_id_only_after_a_definite_not_done(witness: Witness, turned: Turned) -> None:
    for send in turned.decision.commands:
        before = witness.last.get((send.step, send.direction))
        if before is None:
            assert send.attempt == 1
        elif before.command_id == send.command_id:
            assert send.command_id not in witness.failures, "asked again under an id that was refused"
        else:
            assert send.attempt == before.attempt + 1
            assert before.command_id in witness.failures, "a new id, though the old one may have been carried out"


def i9_every_sending_counts(witness: Witness, turned: Turned) -> None:
    """No more sendings than the retry allows, and none given up before: but an unknown pivot is asked for ever."""
    for send in turned.decision.commands:
        count = witness.sendings[send.step, send.direction] + 1
        is_unknown_pivot = witness.saga.step_plan(send.step).step.is_pivot and send.command_id in witness.contents
        is_free = is_unknown_pivot or send.step in witness.renewed
        assert is_free or witness.allows(send.step, send.direction, count), f"{send.step} sent {count} times"
    before, cause = turned.before, turned.after.cause
    if before is None or before.cause is not None or isinstance(turned.signal, Resolve):
        return
    if cause is None or cause.step is None or cause.step in witness.receives:
        return
    failure = witness.failures.get(witness.last[cause.step, FORWARD].command_id)
    if (failure is None or failure.retryable) and not witness.is_timed(cause.step, FORWARD):
        count = witness.sendings[cause.step, FORWARD] + 1
        assert not witness.allows(cause.step, FORWARD, count), f"{cause.step} given up too early"


def i10_a_reply_is_remembered_once_unless_its_undo_was_sent(witness: Witness, turned: Turned) -> None:
    if turned.before is None:
        return
    expected = turned.before.data
    if not turned.before.status.is_final:
        expected = _told(witness, turned, turned.before)
    assert turned.after.data == expected


def _told(witness: Witness, turned: Turned, before: Instance[Any]) -> Any:  # noqa: ANN401  the saga's data
    """What the data have to be after a turn."""
    match turned.signal:
        case ReplyReceived(_, command_id, reply) if not isinstance(reply, Failure):
            step = witness.forward_step_of(command_id)
            is_news = step and command_id not in witness.remembered and not witness.is_undone(command_id)
            if step and is_news and not witness.is_abandoned(before, step):
                witness.remembered.add(command_id)
                return witness.remembers(before, step, reply)
        case SkipStep() as skip if turned.decision.ignored is None:
            return _told_by_hand(witness, before, skip)
        case EventReceived() as happen if turned.decision.ignored is None:
            taken = [
                name
                for name, wait in before.waits.items()
                if wait.progress is Progress.ASKED and turned.after.waits[name].event_id == happen.event_id
            ]
            assert len(taken) == 1, "one event is taken by one receive"
            remember = witness.receives[taken[0]].remember
            return remember(before.data, happen.event) if remember else before.data
        case _:
            pass
    return before.data


def _told_by_hand(witness: Witness, before: Instance[Any], skip: SkipStep) -> Any:  # noqa: ANN401  the saga's data
    if skip.step in witness.receives:
        remember = witness.receives[skip.step].remember
        return remember(before.data, skip.reply) if remember else before.data
    run = before.steps.get(skip.step)
    if run is None or run.compensation is not None:
        return before.data
    return witness.remembers(before, skip.step, skip.reply)


def i10_a_second_copy_of_a_signal_changes_nothing(witness: Witness, turned: Turned) -> None:
    if isinstance(turned.signal, RetryStep | Block):
        return
    again = transition(witness.saga, turned.after, turned.signal)
    assert again.ignored is not None, f"{turned.signal} acted twice"
    assert again.reason
    assert again.instance is turned.after
    assert (again.commands, again.outcome) == ((), None)


def i10_an_answer_to_a_given_up_attempt_is_ignored(witness: Witness, turned: Turned) -> None:
    signal = turned.signal
    if isinstance(signal, ReplyReceived) and signal.command_id not in {s.command_id for s in witness.last.values()}:
        assert turned.decision.ignored is not None
        assert turned.after is turned.before


def i10_an_event_is_taken_once(_: Witness, turned: Turned) -> None:
    taken = [wait.event_id for wait in turned.after.waits.values() if wait.event_id]
    assert len(taken) == len(set(taken))


def a_command_is_sent_when_all_before_it_is_over(witness: Witness, turned: Turned) -> None:
    """Done or, within an alternative that was left, not done or undone."""
    for send in turned.decision.commands:
        if send.direction is not FORWARD or (send.step, FORWARD) in witness.last:
            continue
        for step, direction in witness.last:
            if direction is FORWARD and witness.comes_before(step, send.step):
                is_done = witness.last[step, FORWARD].command_id in witness.successes
                assert is_done or witness.is_abandoned(turned.after, step), f"{send.step} is sent before {step} is done"
        for name, wait in turned.after.waits.items():
            if witness.comes_before(name, send.step):
                is_abandoned = witness.is_abandoned(turned.after, name)
                assert is_abandoned or wait.progress is Progress.DONE, f"{send.step} is sent before {name} is over"


def at_most_so_many_of_a_list_are_in_flight(witness: Witness, turned: Turned) -> None:
    for name, limit in witness.limits.items():
        runs = [run for step, run in turned.after.steps.items() if leaf(step) == name]
        in_flight = [run for run in runs if run.forward.progress in {Progress.ASKED, Progress.WAITING}]
        undone = [run for run in runs if run.compensation and run.compensation.progress is not Progress.DONE]
        assert len(in_flight) <= limit
        assert len(undone) <= limit or turned.after.status.is_final


def a_command_is_withdrawn_once_from_a_cancelled_child(witness: Witness, turned: Turned) -> None:
    for each in turned.decision.withdrawals:
        assert each.command.cancellable
        assert each.message.command_id not in witness.withdrawn, "withdrawn twice"
        assert turned.after.steps[each.step].forward.progress is Progress.ASKED
    if isinstance(turned.signal, Start):
        assert turned.decision.withdrawals == ()
