"""`saga show`: one instance whole. Where it stands, its steps in both lanes, its journal, its data, its trace."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from saga_coordinator.handlers.records import Verdict
from saga_coordinator.sagas.language.nodes import Delay, ForEach, Receive, Step, walk
from saga_coordinator.sagas.machine import CommandState, Direction, Instance, Progress, WaitState, outcome_id
from saga_coordinator.service.cli.console import as_json, plain, say, span, stamp, table
from saga_coordinator.service.cli.journal import Line, Timing, journal, timings
from saga_coordinator.service.cli.listing import marked
from saga_coordinator.service.cli.looking import Found, Look, command_state_to_json, find, looking
from saga_coordinator.service.cli.parking import as_told as parked
from saga_coordinator.service.cli.parking import behind
from saga_coordinator.service.cli.waiting import attention, named
from saga_coordinator.service.cli.why import Case, paragraph
from saga_coordinator.service.storage.sqlite.dead_letter_queries import parked_behind

Timings = Mapping[tuple[str, Direction], Timing]

STYLES: Final = {
    Progress.ASKED: "cyan",
    Progress.WAITING: "yellow",
    Progress.DONE: "green",
    Progress.REFUSED: "red",
    Progress.UNKNOWN: "magenta",
}


def show(*, wanted: str, saga: str | None, most: int, as_json_: bool) -> None:
    """Print an instance with at most `most` entries of its history, the newest ones."""
    with looking() as look:
        found = find(look, wanted, saga)
        case = _case(look, found, most)
    if as_json_:
        as_json(_told(found, case))
    else:
        _print(found, case)


def why(*, wanted: str, saga: str | None, most: int, as_json_: bool) -> None:
    """Print the paragraph that says why an instance stands where it stands."""
    with looking() as look:
        found = find(look, wanted, saga)
        case = _case(look, found, most)
    if as_json_:
        as_json({"id": found.row.id, "status": found.row.status, "why": paragraph(case)})
    else:
        say(paragraph(case))


def _case(look: Look, found: Found, most: int) -> Case:
    return Case(
        saga=found.saga,
        instance=found.instance,
        lines=journal(look.reading.history(found.row, most)),
        now=datetime.now(UTC),
        outcome_unpublished=look.reading.unsent(outcome_id(found.row.id)),
        head=parked_behind(look.reading, [found.row.id]).get(found.row.id),
    )


# --- for people


def _print(found: Found, case: Case) -> None:
    row, instance = found.row, found.instance
    say(
        Text.assemble(
            (plain(f"{row.key}  "), "bold"), marked(instance, instance.status), f"  {row.saga} v{row.version}"
        )
    )
    say(paragraph(case))
    say(f"\ninstance {row.id}   trace {row.trace.root.trace_id}   revision {row.revision}   home {row.home}\n")
    table(("step", "forward", "sent", "took", "compensation", "sent", "took"), _steps(found, timings(case.lines)))
    left_out = row.revision - len(case.lines)
    say(f"\nhistory, its last {len(case.lines)} of {row.revision} entries" if left_out else "\nhistory")
    headings = ("seq", "after", "what came in", "took", "then", "sent", "place")
    table(headings, [_line(line, instance) for line in case.lines])
    say("\ndata")
    say(json.dumps(json.loads(row.snapshot.data), indent=2, ensure_ascii=False))


def _steps(found: Found, known: Timings) -> Iterator[Sequence[str | Text]]:
    """Write each step of the definition: the way there, and beside it the way back."""
    for name, leaf in _leaves(found):
        if isinstance(leaf, Receive | Delay):
            wait = found.instance.waits.get(name)
            yield name, *_wait(wait), "", "", ""
            continue
        run = found.instance.steps.get(name)
        back = "" if leaf.compensate is None else "not asked for"
        title = f"{name} (pivot)" if leaf.is_pivot else name
        forward = _leg(run.forward if run else None, "not reached", known.get((name, Direction.FORWARD)))
        undo = _leg(run.compensation if run else None, back, known.get((name, Direction.COMPENSATION)), undo=True)
        yield title, *forward, *undo


def _wait(wait: WaitState | None) -> Sequence[str | Text]:
    """Write what has become of a receive or a delay."""
    if wait is None:
        return Text("not reached", style="dim"), "", ""
    word = "awaited" if wait.address else "runs"
    words = {Progress.ASKED: f"{word} until {stamp(wait.due_at)}", Progress.DONE: "done"}
    return Text(words.get(wait.progress, "given up"), style=STYLES[wait.progress]), "", ""


def _leg(
    command_state: CommandState | None, absent: str, timing: Timing | None, *, undo: bool = False
) -> Sequence[str | Text]:
    if command_state is None:
        return Text(absent, style="dim"), "", ""
    words = {
        Progress.ASKED: "awaited",
        Progress.WAITING: "to be asked again",
        Progress.DONE: "undone" if undo else "done",
    }
    told = Text(words.get(command_state.progress, command_state.progress.value), style=STYLES[command_state.progress])
    return (
        told,
        str(command_state.sendings),
        _took(timing) if command_state.progress in {Progress.DONE, Progress.REFUSED} else "",
    )


def _took(timing: Timing | None) -> str:
    if timing is None or timing.answered_at is None:
        return ""
    return span(timing.answered_at - timing.asked_at)


def _line(line: Line, instance: Instance[Any]) -> Sequence[str | Text]:
    """Write an entry of the journal."""
    entry = line.entry
    verdict = "" if entry.verdict is Verdict.APPLIED else f" [{entry.verdict}]"
    told = line.told + verdict + (f" {entry.reason}" if entry.reason else "")
    sent = ", ".join(_sent(line))
    took = "" if line.took is None else span(line.took)
    after = f"+{span(entry.at - instance.started_at)}"
    return str(entry.seq), after, told, took, line.status, sent, str(entry.place or "")


def _sent(line: Line) -> Iterator[str]:
    """Name what left with an entry."""
    for sent in line.sent:
        attempt = f" #{sent.attempt}" if sent.attempt > 1 else ""
        yield named(sent.step, sent.direction) + attempt + (" again" if sent.again else "")
    if line.outcome:
        yield line.outcome


def _leaves(found: Found) -> Iterator[tuple[str, Step[Any] | Receive[Any] | Delay[Any]]]:
    """Yield everything that can be reached; a list that was reached item by item."""
    for node in walk(found.saga.steps):
        match node:
            case Step() | Receive() | Delay():
                yield node.name, node
            case ForEach():
                for name in found.instance.lists.get(node.name, [f"{node.name}[…]"]):
                    yield name, node.step
            case _:
                pass


# --- for programs


def _told(found: Found, case: Case) -> dict[str, object]:
    row, instance = found.row, found.instance
    return {
        "id": row.id,
        "saga": row.saga,
        "version": row.version,
        "key": row.key,
        "status": instance.status,
        "why": paragraph(case),
        "attention": [*attention(instance, case.now), *([behind(case.head)] if case.head else [])],
        "parked": parked(case.head),
        "started_at": instance.started_at,
        "ended_at": instance.ended_at,
        "deadline_at": instance.deadline_at,
        "paused_at": instance.paused_at,
        "next_timer_at": instance.next_timer_at,
        "cause": instance.cause,
        "stall": instance.stall,
        "choices": dict(instance.choices),
        "trace_id": row.trace.root.trace_id,
        "revision": row.revision,
        "home": row.home,
        "data": json.loads(row.snapshot.data),
        "trials": dict(instance.attempts),
        "steps": [_told_step(found, name, leaf) for name, leaf in _leaves(found) if isinstance(leaf, Step)],
        "waits": {name: _told_wait(wait) for name, wait in instance.waits.items()},
        "history": [_told_line(line) for line in case.lines],
    }


def _told_wait(wait: WaitState) -> dict[str, object]:
    return {"progress": wait.progress, "since": wait.since, "due_at": wait.due_at, "event_id": wait.event_id}


def _told_step(found: Found, name: str, step: Step[Any]) -> dict[str, object]:
    run = found.instance.steps.get(name)
    return {
        "name": name,
        "pivot": step.is_pivot,
        "forward": command_state_to_json(run.forward) if run else None,
        "compensation": command_state_to_json(run.compensation) if run and run.compensation else None,
    }


def _told_line(line: Line) -> dict[str, object]:
    entry = line.entry
    return {
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "told": line.told,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "message_id": entry.message_id,
        "message_type": entry.message_type,
        "causation_id": entry.causation_id,
        "value": None if entry.value is None else json.loads(entry.value),
        "took_s": line.took,
        "status": line.status,
        "sent": [sent._asdict() for sent in line.sent],
        "outcome": line.outcome,
        "place": None if entry.place is None else str(entry.place),
        "trace_id": entry.trace_id,
        "span_id": entry.span_id,
    }
