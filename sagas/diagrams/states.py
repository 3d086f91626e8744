"""What the progress of an instance's steps, lists and waits comes to, in a mark and in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saga_coordinator.sagas.diagrams.model import Mark, State
from saga_coordinator.sagas.diagrams.moments import Calendar
from saga_coordinator.sagas.diagrams.text import in_a_line
from saga_coordinator.sagas.language.nodes import Alternatives, Branch, Delay, ForEach, Node, Receive, Step, inside
from saga_coordinator.sagas.machine import CommandState, Direction, Instance, Progress, StepRun

_MARKS = {
    Progress.ASKED: Mark.ASKED,
    Progress.WAITING: Mark.WAITING,
    Progress.DONE: Mark.DONE,
    Progress.REFUSED: Mark.REFUSED,
    Progress.UNKNOWN: Mark.UNKNOWN,
}
_WORDS = {
    Progress.ASKED: "awaiting an answer",
    Progress.WAITING: "will be asked again",
    Progress.REFUSED: "refused",
    Progress.UNKNOWN: "did not answer",
}
_OPEN = {Progress.ASKED, Progress.WAITING}
_MAX_NAMED = 3

NOT_REACHED = State(Mark.AHEAD, "not reached")
NOT_ASKED_FOR = State(Mark.AHEAD, "not asked for")


@dataclass(frozen=True, slots=True)
class States:
    """Tells the states of one instance."""

    instance: Instance[Any]

    @property
    def calendar(self) -> Calendar:
        """What tells the times of this instance."""
        return Calendar(self.instance.started_at)

    # --- steps

    def of_step(self, name: str) -> State:
        """Return how far a step has come forward."""
        run = self.instance.steps.get(name)
        return NOT_REACHED if run is None else self._of_leg(name, run.forward, Direction.FORWARD)

    def of_undo(self, name: str) -> State:
        """Return how far the compensation of a step has come."""
        run = self.instance.steps.get(name)
        if run is None or run.compensation is None:
            return NOT_ASKED_FOR
        return self._of_leg(name, run.compensation, Direction.COMPENSATION)

    def _of_leg(self, name: str, command_state: CommandState, direction: Direction) -> State:
        is_undo = direction is Direction.COMPENSATION
        words = _WORDS.get(command_state.progress, "undone" if is_undo else "done")
        times = f", sent {command_state.sendings} times" if command_state.sendings > 1 else ""
        mark = Mark.UNDONE if is_undo and command_state.progress is Progress.DONE else _MARKS[command_state.progress]
        return State(
            mark, words + times, tuple(self._times_of(command_state)), self._is_now(name, command_state, direction)
        )

    def _times_of(self, command_state: CommandState) -> Iterator[str]:
        yield f"asked {self.calendar.format(command_state.asked_at)}"
        if command_state.due_at is not None and command_state.progress in _OPEN:
            what = "answer due" if command_state.progress is Progress.ASKED else "again"
            yield f"{what} {self.calendar.format(command_state.due_at)}"

    def _is_now(self, name: str, command_state: CommandState, direction: Direction) -> bool:
        if self.instance.status.is_final:
            return False
        stall = self.instance.stall
        if stall is not None and stall.step == name:
            run = self.instance.steps[name]
            return direction is (Direction.FORWARD if run.compensation is None else Direction.COMPENSATION)
        return command_state.progress in _OPEN

    # --- lists

    def of_list(self, name: str) -> State:
        """Return how many steps of a for-each have come how far."""
        names = self.instance.lists.get(name)
        if names is None:
            return NOT_REACHED
        command_states = {each: run.forward for each in names if (run := self.instance.steps.get(each))}
        return self._of_command_states(command_states, len(names), Direction.FORWARD)

    def of_list_undo(self, step: Step[Any]) -> State:
        """Return how many steps of a for-each are undone, of those that have to be."""
        names = self.instance.lists.get(step.name, {})
        runs = {each: run for each in names if (run := self.instance.steps.get(each))}
        command_states = {each: run.compensation for each, run in runs.items() if run.compensation is not None}
        if not command_states:
            return NOT_ASKED_FOR
        return self._of_command_states(
            command_states, sum(_is_to_be_undone(run, step) for run in runs.values()), Direction.COMPENSATION
        )

    def _of_command_states(self, command_states: Mapping[str, CommandState], total: int, direction: Direction) -> State:
        is_undo = direction is Direction.COMPENSATION
        done = sum(command_state.progress is Progress.DONE for command_state in command_states.values())
        open_ = sum(command_state.progress in _OPEN for command_state in command_states.values())
        failed = [
            (name, command_state)
            for name, command_state in command_states.items()
            if command_state.progress not in {*_OPEN, Progress.DONE}
        ]
        words = f"{done} of {total} {'undone' if is_undo else 'done'}"
        words += f", {open_} in flight" if open_ else ""
        words += f", {len(failed)} failed" if failed else ""
        is_now = any(self._is_now(name, command_state, direction) for name, command_state in command_states.items())
        good = Mark.UNDONE if is_undo else Mark.DONE
        mark = Mark.REFUSED if failed else good if done == total else Mark.ASKED if open_ else Mark.WAITING
        return State(mark, words, tuple(_failures(failed)), is_now)

    # --- waits

    def of_receive(self, name: str) -> State:
        """Return whether an event has come."""
        given_up = "did not come" if name in self._failed_at() else "given up"
        return self._of_wait(name, "awaiting the event", "received", given_up)

    def of_delay(self, name: str) -> State:
        """Return whether a delay is over."""
        return self._of_wait(name, "waiting", "over", "given up")

    def _of_wait(self, name: str, waiting: str, done: str, given_up: str) -> State:
        wait = self.instance.waits.get(name)
        if wait is None:
            return NOT_REACHED
        since = f"since {self.calendar.format(wait.since)}"
        if wait.progress is Progress.ASKED:
            until = f"until {self.calendar.format(wait.due_at)}"
            return State(Mark.WAITING, waiting, (since, until), not self.instance.status.is_final)
        if wait.progress is Progress.DONE:
            return State(Mark.DONE, done, (since,))
        stall = self.instance.stall
        return State(Mark.REFUSED, given_up, (since,), stall is not None and stall.step == name)

    def _failed_at(self) -> set[str | None]:
        """Return the steps at which the instance, or one of its alternatives, has failed, as far as that is kept."""
        causes = (self.instance.cause, self.instance.stall, *(each.cause for each in self.instance.attempts.values()))
        return {cause.step for cause in causes if cause is not None}


def _is_to_be_undone(run: StepRun, step: Step[Any]) -> bool:
    if run.compensation is not None:
        return True
    unknown = run.forward.progress is Progress.UNKNOWN and not step.undo_when_unknown
    return not (unknown or run.forward.progress is Progress.REFUSED)


def _failures(failed: list[tuple[str, CommandState]]) -> Iterator[str]:
    """Name the first few steps of a list that have failed."""
    for name, command_state in failed[:_MAX_NAMED]:
        key = name.partition("[")[2].removesuffix("]")
        yield f"{in_a_line(key)}: {_WORDS[command_state.progress]}"
    if len(failed) > _MAX_NAMED:
        yield f"and {len(failed) - _MAX_NAMED} more"


# --- nodes


def is_settled(instance: Instance[Any], node: Node[Any]) -> bool:
    """Say whether nothing is left to come of a node on the way forward."""
    match node:
        case Step():
            return _is_done(instance, node.name)
        case ForEach():
            names = instance.lists.get(node.name)
            return names is not None and all(_is_done(instance, name) for name in names)
        case Receive() | Delay():
            wait = instance.waits.get(node.name)
            return wait is not None and wait.progress is Progress.DONE
        case Branch():
            choice = instance.choices.get(node.name)
            return choice is not None and all(
                is_settled(instance, each) for each in (node.nodes if choice else node.otherwise)
            )
        case Alternatives():
            attempt = instance.attempts.get(node.name)
            return attempt is not None and attempt.cause is None and is_settled(instance, node.nodes[attempt.number])
        case _:
            return all(is_settled(instance, each) for each in inside(node))


def _is_done(instance: Instance[Any], name: str) -> bool:
    run = instance.steps.get(name)
    return run is not None and run.forward.progress is Progress.DONE
