"""The states of an instance's steps, lists and waits as a picture shows them: a mark, and the same in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saga_coordinator.sagas import words
from saga_coordinator.sagas.diagrams.model import CardState, Mark
from saga_coordinator.sagas.diagrams.text import Calendar, in_a_line
from saga_coordinator.sagas.language.nodes import Step
from saga_coordinator.sagas.machine import CommandState, Direction, Instance, Progress
from saga_coordinator.sagas.machine.progress import may_have_effect
from saga_coordinator.sagas.words import describe_command

_MARKS = {
    Progress.ASKED: Mark.ASKED,
    Progress.WAITING: Mark.WAITING,
    Progress.DONE: Mark.DONE,
    Progress.REFUSED: Mark.REFUSED,
    Progress.UNKNOWN: Mark.UNKNOWN,
}
_OPEN = {Progress.ASKED, Progress.WAITING}
_MAX_NAMED = 3

NOT_REACHED = CardState(Mark.AHEAD, words.NOT_REACHED)
NOT_SENT = CardState(Mark.AHEAD, words.NOT_SENT)


@dataclass(frozen=True, slots=True)
class States:
    """The states of one instance."""

    instance: Instance[Any]

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.instance.started_at)

    # --- steps

    def of_step(self, name: str) -> CardState:
        run = self.instance.steps.get(name)
        return NOT_REACHED if run is None else self._of_command(name, run.forward, Direction.FORWARD)

    def of_undo(self, name: str) -> CardState:
        """Return how far the compensation of a step has come."""
        run = self.instance.steps.get(name)
        if run is None or run.compensation is None:
            return NOT_SENT
        return self._of_command(name, run.compensation, Direction.COMPENSATION)

    def _of_command(self, name: str, command: CommandState, direction: Direction) -> CardState:
        is_undo = direction is Direction.COMPENSATION
        state = describe_command(command.progress, direction)
        times = f", sent {command.sendings} times" if command.sendings > 1 else ""
        mark = Mark.UNDONE if is_undo and command.progress is Progress.DONE else _MARKS[command.progress]
        return CardState(mark, state + times, tuple(self._times_of(command)), self._is_now(name, command, direction))

    def _times_of(self, command: CommandState) -> Iterator[str]:
        yield f"sent {self.calendar.format(command.asked_at)}"
        if command.due_at is not None and command.progress in _OPEN:
            what = "reply due" if command.progress is Progress.ASKED else "again"
            yield f"{what} {self.calendar.format(command.due_at)}"

    def _is_now(self, name: str, command: CommandState, direction: Direction) -> bool:
        if self.instance.status.is_final:
            return False
        stall = self.instance.stall
        if stall is not None and stall.step == name:
            run = self.instance.steps[name]
            return direction is (Direction.FORWARD if run.compensation is None else Direction.COMPENSATION)
        return command.progress in _OPEN

    # --- lists

    def of_list(self, name: str) -> CardState:
        names = self.instance.lists.get(name)
        if names is None:
            return NOT_REACHED
        commands = {each: run.forward for each in names if (run := self.instance.steps.get(each))}
        return self._of_list(commands, len(names), Direction.FORWARD)

    def of_list_undo(self, step: Step[Any]) -> CardState:
        """Return how many steps of a for-each are undone, of those that have to be."""
        names = self.instance.lists.get(step.name, {})
        runs = {each: run for each in names if (run := self.instance.steps.get(each))}
        undone = {each: run.compensation for each, run in runs.items() if run.compensation is not None}
        if not undone:
            return NOT_SENT
        total = sum(run.compensation is not None or may_have_effect(run.forward, step) for run in runs.values())
        return self._of_list(undone, total, Direction.COMPENSATION)

    def _of_list(self, commands: Mapping[str, CommandState], total: int, direction: Direction) -> CardState:
        is_undo = direction is Direction.COMPENSATION
        done = sum(each.progress is Progress.DONE for each in commands.values())
        open_ = sum(each.progress in _OPEN for each in commands.values())
        failed = [(name, each) for name, each in commands.items() if each.progress not in {*_OPEN, Progress.DONE}]
        state = f"{done} of {total} {describe_command(Progress.DONE, direction)}"
        state += f", {open_} in flight" if open_ else ""
        state += f", {len(failed)} failed" if failed else ""
        is_now = any(self._is_now(name, each, direction) for name, each in commands.items())
        good = Mark.UNDONE if is_undo else Mark.DONE
        mark = Mark.REFUSED if failed else good if done == total else Mark.ASKED if open_ else Mark.WAITING
        return CardState(mark, state, tuple(_failures(failed, direction)), is_now)

    # --- waits

    def of_receive(self, name: str) -> CardState:
        timed_out = {Progress.REFUSED: words.NOT_COME} if name in self._failed_at() else {}
        return self._of_wait(name, {**words.EVENT_WORDS, **timed_out})

    def of_delay(self, name: str) -> CardState:
        return self._of_wait(name, words.DELAY_WORDS)

    def _of_wait(self, name: str, words: Mapping[Progress, str]) -> CardState:
        wait = self.instance.waits.get(name)
        if wait is None:
            return NOT_REACHED
        since = f"since {self.calendar.format(wait.since)}"
        if wait.progress is Progress.ASKED:
            until = f"until {self.calendar.format(wait.due_at)}"
            return CardState(Mark.WAITING, words[wait.progress], (since, until), not self.instance.status.is_final)
        if wait.progress is Progress.DONE:
            return CardState(Mark.DONE, words[wait.progress], (since,))
        stall = self.instance.stall
        return CardState(Mark.REFUSED, words[wait.progress], (since,), stall is not None and stall.step == name)

    def _failed_at(self) -> set[str | None]:
        """Return the steps at which the instance, or one of its alternatives, has failed."""
        causes = (self.instance.cause, self.instance.stall, *(each.cause for each in self.instance.attempts.values()))
        return {cause.step for cause in causes if cause is not None}


def _failures(failed: list[tuple[str, CommandState]], direction: Direction) -> Iterator[str]:
    """Name the first few steps of a list that have failed."""
    for name, command_state in failed[:_MAX_NAMED]:
        key = name.partition("[")[2].removesuffix("]")
        yield f"{in_a_line(key)}: {describe_command(command_state.progress, direction)}"
    if len(failed) > _MAX_NAMED:
        yield f"and {len(failed) - _MAX_NAMED} more"
