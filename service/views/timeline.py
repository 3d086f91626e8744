"""The history of an instance: what came in, what was decided and sent, and how long its steps worked."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

from saga_coordinator.contracts import Failure
from saga_coordinator.handlers.history import action_fields
from saga_coordinator.handlers.records import Entry, Place, Verdict
from saga_coordinator.sagas.machine import Direction
from saga_coordinator.service.views.text import format_direction, format_list
from saga_coordinator.service.views.values import view

StepDirection: TypeAlias = tuple[str, Direction]

ACTIONS: Final = {"pause": "paused", "resume": "resumed", "retry": "retried", "skip": "skipped", "resolve": "resolved"}
"""The kinds of entries that an operator causes, as what was done."""

COORDINATOR: Final = {
    "wake": "a timer fired",
    "obstruct": "the coordinator could not continue",
    "unpark": "no longer parked",
}
"""The kinds of entries that the coordinator causes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCommand:
    """A command that was sent. `again`: under an id that was sent before."""

    step: str
    direction: Direction
    attempt: int
    command_id: str
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """An entry of the history. `work_s` is the time from the last sending of the command that it `answers`."""

    seq: int
    at: datetime
    kind: str
    summary: str
    verdict: Verdict
    reason: str | None
    message_id: str | None
    message_type: str | None
    message_source: str | None
    causation_id: str | None
    value: Any
    answers: SentCommand | None
    work_s: timedelta | None
    status: str
    sent: tuple[SentCommand, ...]
    outcome: str | None
    place: Place | None
    trace_id: str
    span_id: str


class StepTimes(NamedTuple):
    """How long a step worked, from the last sending to its reply, and how long it was retried before that."""

    work: timedelta
    retry: timedelta


class Timeline(NamedTuple):
    """Entries in order, and the times of the steps that were answered in them."""

    entries: tuple[TimelineEntry, ...]
    times: Mapping[StepDirection, StepTimes]


def timeline(history: Sequence[Entry]) -> Timeline:
    """Return the timeline of a history, or of its end."""
    entries: list[TimelineEntry] = []
    last: dict[str, tuple[SentCommand, datetime]] = {}
    first: dict[StepDirection, datetime] = {}
    times: dict[StepDirection, StepTimes] = {}
    for entry in history:
        answered, sent_at = last.get(entry.causation_id or "", (None, None))
        if answered and sent_at and entry.verdict is Verdict.APPLIED:
            place = answered.step, answered.direction
            times[place] = StepTimes(entry.at - sent_at, sent_at - first[place])
        decided = json.loads(entry.decided)
        sent = tuple(_sent(last, *command) for command in decided.get("sent", ()))
        for each in sent:
            last[each.command_id] = each, entry.at
            first.setdefault((each.step, each.direction), entry.at)
        entries.append(_entry(entry, answered, sent_at, decided, sent))
    return Timeline(tuple(entries), times)


def _sent(known: Container[str], step: str, direction: str, attempt: int, command_id: str) -> SentCommand:
    return SentCommand(
        step=step,
        direction=Direction(direction),
        attempt=attempt,
        command_id=command_id,
        again=command_id in known,
    )


def _entry(
    entry: Entry,
    answered: SentCommand | None,
    sent_at: datetime | None,
    decided: dict[str, Any],
    sent: tuple[SentCommand, ...],
) -> TimelineEntry:
    return view(
        TimelineEntry,
        entry,
        summary=_summary(entry, answered, sent),
        value=_value(entry),
        answers=answered,
        work_s=None if sent_at is None else entry.at - sent_at,
        status=decided["status"],
        sent=sent,
        outcome=decided.get("outcome"),
    )


def _value(entry: Entry) -> Any:  # noqa: ANN401  what JSON can hold
    """Return the content of what came in."""
    if entry.value is None:
        return None
    return json.loads(entry.value) if entry.message_type else action_fields(entry)


def _summary(entry: Entry, answered: SentCommand | None, sent: Sequence[SentCommand]) -> str:
    match entry.kind:
        case "start":
            return f"started by {entry.message_type}"
        case "answer":
            name = format_direction(answered.step, answered.direction) if answered else "a reply"
            return f"{name}: {_reply(entry)}"
        case "cancel":
            return f"cancelled by {entry.message_type or _actor(entry)}"
        case "happen":
            return f"received {entry.message_type}"
        case kind if kind in ACTIONS:
            return _action(entry)
        case "wake" if due := [each for each in sent if each.again or each.attempt > 1]:
            return (
                f"a timer fired: {format_list([format_direction(each.step, each.direction) for each in due])} was due"
            )
        case "park":
            return f"parked behind {json.loads(entry.value or b'{}').get('record')}"
        case _:
            return COORDINATOR.get(entry.kind, entry.kind)


def _reply(entry: Entry) -> str:
    if entry.message_type != Failure.message_type:
        return entry.message_type or "answered"
    failure: dict[str, Any] = json.loads(entry.value or b"{}")
    again = "may be sent again" if failure.get("retryable") else "is final"
    return f"refused, {failure.get('code')}: {failure.get('message')} ({again})"


def _action(entry: Entry) -> str:
    action = action_fields(entry)
    subject = {
        "retry": action.get("step", "what was given up"),
        "skip": action.get("step"),
        "resolve": action.get("status"),
    }.get(entry.kind)
    done = f"{ACTIONS[entry.kind]} {subject}" if subject else ACTIONS[entry.kind]
    return f"{done} by {_actor(entry)}: {action.get('reason', '')}"


def _actor(entry: Entry) -> str:
    return str(json.loads(entry.value or b"{}").get("who", "an operator"))
