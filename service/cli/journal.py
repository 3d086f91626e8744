"""The history of an instance as a journal: what came in, what was decided and sent, how long answers took."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from saga_coordinator.contracts import Failure
from saga_coordinator.handlers.records import Entry, Verdict
from saga_coordinator.sagas.machine import Direction

CommandState = tuple[str, Direction]


class Sent(NamedTuple):
    """A command that left. `again`: under an id that had left before."""

    step: str
    direction: Direction
    attempt: int
    command_id: str
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry, told. `took` is the time from the last sending of the command that it answers."""

    entry: Entry
    told: str
    answers: CommandState | None
    took: timedelta | None
    status: str
    sent: tuple[Sent, ...]
    outcome: str | None


class Timing(NamedTuple):
    """When one direction of a step was first asked for, and when it was answered last."""

    asked_at: datetime
    answered_at: datetime | None


def journal(entries: Sequence[Entry]) -> tuple[Line, ...]:
    """Tell a history, or the end of one, in order."""
    return tuple(_lines(entries))


def timings(lines: Sequence[Line]) -> Mapping[CommandState, Timing]:
    """Return when the steps in a journal were asked and answered."""
    found: dict[CommandState, Timing] = {}
    for line in lines:
        if line.answers in found and line.entry.verdict is Verdict.APPLIED:
            found[line.answers] = found[line.answers]._replace(answered_at=line.entry.at)
        for sent in line.sent:
            found.setdefault((sent.step, sent.direction), Timing(line.entry.at, None))
    return found


def _lines(entries: Sequence[Entry]) -> Iterator[Line]:
    asked: dict[str, tuple[CommandState, datetime]] = {}
    for entry in entries:
        decided = json.loads(entry.decided)
        command_state, at = asked.get(entry.causation_id or "", (None, None))
        sent = tuple(
            Sent(step, Direction(direction), attempt, id_, id_ in asked)
            for step, direction, attempt, id_ in decided.get("sent", ())
        )
        yield Line(
            entry=entry,
            told=_told(entry, command_state),
            answers=command_state,
            took=None if at is None else entry.at - at,
            status=decided["status"],
            sent=sent,
            outcome=decided.get("outcome"),
        )
        asked.update((each.command_id, ((each.step, each.direction), entry.at)) for each in sent)


def _told(entry: Entry, command_state: CommandState | None) -> str:
    """Say what came in."""
    match entry.kind:
        case "start":
            return f"started by {entry.message_type}"
        case "answer":
            return f"{_named(command_state)}: {_reply(entry)}"
        case "wake":
            return "the alarm rang"
        case "cancel":
            return f"cancelled by {entry.message_type or _who(entry)}"
        case "happen":
            return f"it happened: {entry.message_type}"
        case "pause" | "resume" | "retry" | "skip" | "resolve":
            return _wished(entry)
        case "obstruct":
            return "the coordinator could not go on"
        case _:
            return entry.kind


def _who(entry: Entry) -> str:
    """Say which operator had a wish."""
    return str(json.loads(entry.value or b"{}").get("who", "an operator"))


def _wished(entry: Entry) -> str:
    """Say what an operator has done, who and why."""
    action: dict[str, Any] = json.loads(entry.value or b"{}")
    done = {"pause": "paused", "resume": "resumed", "retry": "retried", "skip": "skipped", "resolve": "resolved"}
    what = {
        "retry": action.get("step", "what was given up"),
        "skip": action.get("step"),
        "resolve": action.get("status"),
    }
    told = " ".join(str(each) for each in (done[entry.kind], what.get(entry.kind)) if each)
    return f"{told} by {_who(entry)}: {action.get('why', '')}"


def _named(command_state: CommandState | None) -> str:
    if command_state is None:
        return "an answer"
    step, direction = command_state
    return step if direction is Direction.FORWARD else f"undo {step}"


def _reply(entry: Entry) -> str:
    """Say what a participant answered."""
    if entry.message_type != Failure.message_type:
        return entry.message_type or "answered"
    told: dict[str, Any] = json.loads(entry.value or b"{}")
    again = "may be asked again" if told.get("retryable") else "is final"
    return f"refused, {told.get('code')}: {told.get('message')} ({again})"
