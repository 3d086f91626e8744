"""One instance and everything around it at one moment: what was sent and received, and which faults are to come."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from saga_coordinator.sagas.machine import Direction, Progress, Status
from saga_coordinator.sagas.testing.invariants.ledger import CommandKey, CommandRecord, CommandResult, Ledger
from saga_coordinator.sagas.testing.invariants.observation import Observation


class Misbehaviour(StrEnum):
    """How a participant behaves from now on; one without a fault answers in time, and with a success."""

    BUSY = "always answers that it may be asked again"
    LATE = "answers after its time"
    SILENT = "never answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that may decide what happens next.

    `faults` and `undo_faults` are how many may still come, forward and in compensations, `faults_in_all` together.
    """

    ledger: Ledger
    behaviours: Mapping[CommandKey, Misbehaviour]
    faults: int
    undo_faults: int
    faults_in_all: int

    def after(self, seen: Observation) -> "World":
        """Return the world after a transition: a participant that has missed its time is late."""
        if seen.decision.ignored:
            return replace(self, ledger=seen.after)
        late = {
            key: Misbehaviour.LATE
            for key, sent in seen.after.unanswered()
            if sent.due_at <= seen.after.now and key not in self.behaviours
        }
        return replace(self, ledger=seen.after, behaviours={**self.behaviours, **late})

    def key(self) -> tuple[object, ...]:
        """Return all that decides what may happen from here on, times relative to now. Equal worlds are one."""
        ledger, one = self.ledger, self.ledger.instance
        deadline = one.deadline_at - ledger.now if one.deadline_at and one.status is Status.RUNNING else None
        waits = (
            (name, wait.progress, wait.due_at - ledger.now if wait.progress is Progress.ASKED else None)
            for name, wait in one.waits.items()
        )
        return (
            one.status,
            one.data.model_dump_json(),
            deadline,
            tuple(sorted(one.choices.items())),
            tuple((name, each.number, each.cause and each.cause.code) for name, each in one.attempts.items()),
            (one.cause is None, one.stall is None),
            frozenset((name, *_progress(ledger, name)) for name in one.steps),
            frozenset(waits),
            frozenset((key, *(_sent(ledger, key, each) for each in sent)) for key, sent in ledger.sent.items()),
            frozenset((key, each) for key, each in self.behaviours.items() if not _is_settled(ledger, key)),
            (self.faults, self.undo_faults, self.faults_in_all, frozenset(ledger.overtaken.items()), ledger.withdrawn),
        )


def _progress(ledger: Ledger, name: str) -> Iterator[object]:
    for direction in Direction:
        state = ledger.instance.steps[name].command_state(direction)
        if state is not None and state.progress in {Progress.DONE, Progress.REFUSED}:
            yield (state.progress, state.attempt)
        elif state is not None:
            due = state.due_at - ledger.now if state.due_at else None
            since = ledger.now - state.since if state.since else None
            yield (state.progress, state.attempt, state.sendings, due, since)


def _sent(ledger: Ledger, key: CommandKey, sent: CommandRecord) -> object:
    if sent.result in {CommandResult.DONE, CommandResult.REFUSED}:
        return (sent.send.attempt, sent.result)
    since = ledger.now - sent.first_at if ledger.retry(key).total is not None and not sent.result else None
    due = max(sent.due_at - ledger.now, timedelta(0)) if sent.result is None else None
    return (sent.send.attempt, sent.sendings, sent.result, sent.send.payload, due, since)


def _is_settled(ledger: Ledger, key: CommandKey) -> bool:
    """Return whether a command is never sent again, so that its participant's behaviour no longer matters."""
    sent = ledger.sent.get(key)
    return sent is not None and sent[-1].result in {CommandResult.DONE, CommandResult.REFUSED, CommandResult.TOO_LATE}
