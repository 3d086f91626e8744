"""Carries out what an operator wishes of one instance, and says what came of it: advanced, refused, still waiting."""

import getpass
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import typer
from pydantic_core import from_json

from saga_coordinator.sagas.machine import Direction, Progress, Status
from saga_coordinator.service.cli.calling import call
from saga_coordinator.service.cli.console import as_json, remark, say
from saga_coordinator.service.cli.journal import journal
from saga_coordinator.service.cli.looking import Found, find, looking
from saga_coordinator.service.cli.waiting import named, waits
from saga_coordinator.service.cli.why import describe_cause

POLL_INTERVAL: Final = 0.2
ADVANCED, FAILED, WAITING = "advanced", "failed again", "still waiting"


class Wished(NamedTuple):
    """Which verb for which instance, by whom and why; and whether a program reads what came of it."""

    verb: str
    wanted: str
    saga: str | None
    who: str | None
    why: str
    is_json: bool


def act(action: Wished, body: Mapping[str, object], *, follow: tuple[str | None, float] | None = None) -> None:
    """Ask for it, and print how it ended; end with 1 if it was refused, or failed again.

    `follow` an instance by a step (None: all that it waits for) for so many seconds.
    """
    with looking() as look:
        id_ = find(look, action.wanted, action.saga).row.id
    said = call(f"instances/{id_}/{action.verb}", {"who": current_user(action.who), "why": action.why, **body})
    if follow is not None and said["end"] == ADVANCED:
        said["end"], said["why"], said["status"] = _followed(id_, *follow)
    if action.is_json:
        as_json({"id": id_, **said})
    else:
        _print(said)
    if said["end"] not in {ADVANCED, WAITING}:
        raise typer.Exit(1)


def current_user(who: str | None) -> str:
    """Return who asks: the user of the operating system, unless it was said."""
    return who or getpass.getuser()


def given(source: str) -> bytes:
    """Return what stands in a file, or on standard input (`-`)."""
    return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()


def given_json(source: str) -> Any:  # noqa: ANN401  whatever JSON can hold
    """Return the JSON of a file or of standard input; end with 2 if it is none."""
    try:
        return from_json(given(source))
    except ValueError as error:
        raise typer.BadParameter(f"{source} is no JSON: {error}") from error


def _print(said: Mapping[str, Any]) -> None:
    why = f": {said['why']}" if said["why"] else ""
    sent = f" Sent: {', '.join(said['sent'])}." if said["sent"] else ""
    tell = say if said["end"] in {ADVANCED, WAITING} else remark
    tell(f"{said['end']}{why}. It is {said['status']}{', paused' if said['paused'] else ''}.{sent}")


# --- what came of it


def _followed(id_: str, step: str | None, within: float) -> tuple[str, str | None, str]:
    """Look until the step has an answer, for so many seconds; return how it ended, why, and the status."""
    end = time.monotonic() + within
    while True:
        with looking() as look:
            found = find(look, id_, None)
            lines = journal(look.reading.history(found.row, 1))
        told, why = _stands(found, step)
        if told is not WAITING or time.monotonic() >= end:
            return told, why if why or told is ADVANCED else lines[-1].told, found.row.status
        time.sleep(POLL_INTERVAL)


def _stands(found: Found, step: str | None) -> tuple[str, str | None]:
    """Say where an instance stands after a retry, and why if that is known."""
    instance = found.instance
    if instance.status is Status.STALLED:
        return FAILED, describe_cause(instance.stall) if instance.stall else None
    run = instance.steps.get(step or "")
    if run is not None and run.command_state(_direction(run.compensation is not None)) is not None:
        return _leg(found, step or "")
    open_ = [named(wait.step, wait.direction) for wait in waits(instance)]
    return (WAITING, f"for {', '.join(open_)}") if open_ else (ADVANCED, None)


def _leg(found: Found, step: str) -> tuple[str, str | None]:
    run = found.instance.steps[step]
    command_state = run.compensation or run.forward
    if command_state.progress is Progress.ASKED:
        return WAITING, f"for {named(step, _direction(run.compensation is not None))}"
    return (ADVANCED, None) if command_state.progress is Progress.DONE else (FAILED, None)


def _direction(is_undone: bool) -> Direction:
    return Direction.COMPENSATION if is_undone else Direction.FORWARD
