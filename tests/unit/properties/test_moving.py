"""An instance that was moved to another version is undone as wholly as before, and does nothing that it did again."""

from dataclasses import replace

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from saga_coordinator.contracts import Done, Reply
from saga_coordinator.sagas import Saga, UnsoundSaga
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import (
    Cancel,
    Direction,
    EventReceived,
    Instance,
    Progress,
    ReplyReceived,
    Resume,
    Send,
    Signal,
    Status,
    TimerFired,
    freeze,
    thaw,
    transition,
)
from saga_coordinator.sagas.testing.scenario import Scenario
from saga_coordinator.sagas.versions.mapping import VersionMapping, faults
from saga_coordinator.sagas.versions.migration import Disposition, plan_migration
from tests.support.saga_kit import Begun, Data, Did, saga
from tests.unit.diagrams._support.any_saga import Happened, any_stories
from tests.unit.properties._support.profile import thorough
from tests.unit.versions._support.any_change import Editor

MAX_TRANSITIONS = 200
MAY_BE_DONE = {Progress.ASKED, Progress.DONE, Progress.UNKNOWN}


@st.composite
def changed(draw: st.DrawFn) -> tuple[Scenario[Data], Saga[Begun, Data], VersionMapping]:
    """An instance, another version of its saga, and what its author says of the names, or forgets to say."""
    story = draw(any_stories())
    assume(not story.instance.status.is_final)
    editor = Editor(draw, {})
    try:
        new = replace(saga(*editor.nodes(story.saga.steps)), version=2)
    except UnsoundSaga:
        new = replace(story.saga, version=2)
    said = {name: other for name, other in editor.renamed.items() if draw(st.integers(0, 9))}
    by = VersionMapping(steps=said)
    return story, new, VersionMapping() if any(faults(story.saga, new, by)) else by


def undone(definition: Saga[Begun, Data], instance: Instance[Data], story: Scenario[Data]) -> set[str]:
    """Cancel an instance, with every participant answering, and return the ids of the commands that were undone."""
    now = instance
    if now.cause is None:
        now = transition(definition, now, Cancel(story.at, "not wanted")).instance
    if now.cause is None:
        return set()
    if now.paused_at:
        now = transition(definition, now, Resume(story.at, "olga", "seen")).instance
    while asked := awaited(now):
        for id_, reply in asked.items():
            now = transition(definition, now, ReplyReceived(story.at, id_, reply)).instance
    return {
        run.forward.command_id
        for run in now.steps.values()
        if run.compensation is not None and run.compensation.progress is Progress.DONE
    }


def awaited(instance: Instance[Data]) -> dict[str, Reply]:
    """The commands that are awaited, each with a good answer."""
    good: dict[Direction, Reply] = {Direction.FORWARD: Did(), Direction.COMPENSATION: Done()}
    return {
        command_state.command_id: good[direction]
        for run in instance.steps.values()
        for direction in Direction
        if (command_state := run.command_state(direction)) and command_state.progress is Progress.ASKED
    }


def sent(definition: Saga[Begun, Data], instance: Instance[Data], story: Scenario[Data]) -> tuple[Status, list[str]]:
    """Let an instance go on, everybody answering well, and return its end and the types of new commands forward."""
    now, types, at = instance, list[str](), story.at
    for turn in range(MAX_TRANSITIONS):
        if now.status in {Status.COMPLETED, Status.STALLED}:
            break
        signals: list[Signal] = [ReplyReceived(at, id_, reply) for id_, reply in awaited(now).items()]
        signals += [EventReceived(at, Happened(key="k-1"), now.id, f"later-{turn}"), Resume(at, "olga", "seen")]
        decisions = [decision for each in signals if not (decision := transition(definition, now, each)).ignored]
        if not decisions:
            at = max(at, now.next_timer_at or at)
            decisions = [transition(definition, now, TimerFired(at))]
        first = [send for send in decisions[0].commands if send.direction is Direction.FORWARD]
        types += [send.command.message_type for send in first if is_new(now, send)]
        now = decisions[0].instance
    return now.status, types


def is_new(instance: Instance[Data], send: Send) -> bool:
    """Whether a command was not sent before under this id."""
    run = instance.steps.get(send.step)
    return run is None or run.forward.command_id != send.command_id


@settings(thorough, max_examples=thorough.max_examples // 2)
@given(changed())
def test_whatever_was_done_is_undone_by_the_new_version_too(
    case: tuple[Scenario[Data], Saga[Begun, Data], VersionMapping],
) -> None:
    story, new, by = case
    judgement = plan_migration(story.saga, new, story.instance, by)
    event(f"{judgement.fate}")
    assert (judgement.instance is None) is bool(judgement.reasons)
    instance = judgement.instance
    if instance is None:
        return
    assert judgement.fate is Disposition.MOVES
    assert instance.version == new.version
    assert thaw(new, instance.id, instance.key, freeze(instance)) == instance
    assert instance.next_timer_at == story.instance.next_timer_at
    before = undone(story.saga, story.instance, story)
    event(f"moves, with {len(before)} to undo, {'changed' if new.steps != story.saga.steps else 'the same'}")
    assert before <= undone(new, instance, story)


@pytest.mark.slow
@settings(thorough, max_examples=thorough.max_examples // 3)
@given(changed())
def test_nothing_that_may_be_done_is_sent_again_by_the_new_version(
    case: tuple[Scenario[Data], Saga[Begun, Data], VersionMapping],
) -> None:
    story, new, by = case
    judgement = plan_migration(story.saga, new, story.instance, by)
    if judgement.instance is None or judgement.instance.cause is not None:
        return
    done = {
        story.saga.plan.step(name).command.message_type
        for name, run in story.instance.steps.items()
        if run.forward.progress in MAY_BE_DONE and run.compensation is None and leaf(name) == name
    }
    event(f"{len(done)} may be done")
    status, again = sent(new, judgement.instance, story)
    assert done.isdisjoint(again)
    assert status is (Status.STALLED if story.status is Status.STALLED else Status.COMPLETED)
