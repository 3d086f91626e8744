"""What a preview says would be undone is what is undone when it is done and every participant answers well."""

from hypothesis import assume, event, given
from hypothesis import strategies as st

from saga_coordinator.contracts import Done
from saga_coordinator.sagas.machine import (
    Cancel,
    Direction,
    Instance,
    Progress,
    ReplyReceived,
    Resume,
    RetryStep,
    Signal,
    Status,
    transition,
)
from saga_coordinator.sagas.planning.preview import preview
from saga_coordinator.sagas.testing.scenario import Scenario
from tests.support.saga_kit import Data, Did
from tests.unit.diagrams._support.any_saga import any_stories
from tests.unit.properties._support.profile import thorough

Waves = list[set[str]]


def asked(instance: Instance[Data], direction: Direction, *progress: Progress) -> dict[str, str]:
    """The steps that stand so in a direction, with the ids of their commands."""
    command_states = {name: run.command_state(direction) for name, run in instance.steps.items()}
    return {
        name: command_state.command_id
        for name, command_state in command_states.items()
        if command_state and command_state.progress in progress
    }


def goes_back(story: Scenario[Data], instance: Instance[Data]) -> tuple[Instance[Data], Waves]:
    """Let everybody answer well until nothing is open, and return what was undone, wave by wave."""
    for id_ in asked(instance, Direction.FORWARD, Progress.ASKED).values():
        instance = transition(story.saga, instance, ReplyReceived(story.at, id_, Did())).instance
    waves: Waves = []
    while wave := asked(instance, Direction.COMPENSATION, Progress.ASKED):
        waves.append(set(wave))
        for id_ in wave.values():
            instance = transition(story.saga, instance, ReplyReceived(story.at, id_, Done())).instance
    return instance, waves


@thorough
@given(any_stories(), st.sampled_from([*["cancel"] * 6, "retry", "resume"]))
def test_a_preview_shows_exactly_what_is_compensated(story: Scenario[Data], act: str) -> None:
    signals: dict[str, Signal] = {
        "cancel": Cancel(story.at, "not wanted"),
        "retry": RetryStep(story.at, "olga", "mended"),
        "resume": Resume(story.at, "olga", "seen"),
    }
    shown = preview(story.saga, story.instance, signals[act])
    decision = transition(story.saga, story.instance, signals[act])
    assert (shown.refused, shown.sends, shown.status) == (decision.ignored, decision.commands, decision.instance.status)
    now = decision.instance
    if shown.refused is not None:
        assert (shown.sends, shown.awaits, shown.undoes) == ((), (), ())
        return
    assume(now.status is Status.COMPENSATING and not asked(now, Direction.COMPENSATION, Progress.WAITING))
    if shown.is_paused:
        now = transition(story.saga, now, Resume(story.at, "olga", "seen")).instance

    assert set(shown.awaits) == set(asked(now, Direction.FORWARD, Progress.ASKED))
    end, waves = goes_back(story, now)
    event(f"{act}: {len(waves)} waves")
    assert [set(wave) for wave in shown.undoes] == waves
    assert end.status is shown.ends is Status.COMPENSATED
    left = asked(end, Direction.FORWARD, Progress.DONE, Progress.UNKNOWN)
    undone = {name for wave in waves for name in wave} | set(
        asked(story.instance, Direction.COMPENSATION, Progress.DONE)
    )
    unsafe = {name for name in left if not story.saga.plan.step(name).command.safe}
    assert unsafe - undone == set(shown.not_undone)
