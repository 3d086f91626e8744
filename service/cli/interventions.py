"""`saga retry`, `skip`, `cancel`, `pause`, `resume`, `resolve`: the actions of an operator, and their results."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import typer

from saga_coordinator.sagas.machine import Progress, Status
from saga_coordinator.service.cli.client import call
from saga_coordinator.service.cli.console import echo, print_json, remark
from saga_coordinator.service.cli.options import Instance, Json, OfSaga, Reason, Who, actor, read_json
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.instance import InstanceDetail, find, show_instance
from saga_coordinator.service.views.results import ActionEnd
from saga_coordinator.service.views.text import format_direction
from saga_coordinator.service.views.why import describe_cause

POLL_INTERVAL: Final = 0.2

Wait = Annotated[float, typer.Option(min=0, max=3600, help="Follow it for at most so many seconds")]
FinalStatus = Literal["completed", "compensated"]


def retry(
    instance: Instance,
    *,
    reason: Reason,
    step: Annotated[str | None, typer.Option(help="This step; without it all that a stalled instance gave up")] = None,
    wait: Wait = 10.0,
    saga: OfSaga = None,
    who: Who = None,
    json: Json = False,
) -> None:
    """Send the command of a step again now.

    And say whether it advanced, failed again, or is still waiting.

    JSON: {"id", "end": "advanced|refused|failed again|still waiting", "why", "status", "paused", "sent": [TYPE]}
    """
    _act(instance, saga, "retry", {**actor(who, reason), "step": step}, json=json, follow=wait)


def skip(
    instance: Instance,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The step, as `saga show` names it")],
    *,
    reason: Reason,
    reply: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="JSON of the reply (or event) that it is taken to have had")
    ] = None,
    saga: OfSaga = None,
    who: Who = None,
    json: Json = False,
) -> None:
    """Take a step for done, with a reply.

    The reply has to be one that answers the step's command, or its compensation where that is in progress.

    JSON: as `retry`
    """
    body = {"step": step, "reply": None if reply is None else read_json(reply)}
    _act(instance, saga, "skip", {**actor(who, reason), **body}, json=json)


def cancel(instance: Instance, *, reason: Reason, saga: OfSaga = None, who: Who = None, json: Json = False) -> None:
    """Cancel an instance: compensate what was done.

    Refused once the pivot was sent.

    JSON: as `retry`
    """
    _act(instance, saga, "cancel", actor(who, reason), json=json)


def pause(instance: Instance, *, reason: Reason, saga: OfSaga = None, who: Who = None, json: Json = False) -> None:
    """Send nothing and fire no timer until it is resumed.

    JSON: as `retry`
    """
    _act(instance, saga, "pause", actor(who, reason), json=json)


def resume(instance: Instance, *, reason: Reason, saga: OfSaga = None, who: Who = None, json: Json = False) -> None:
    """Continue after a pause.

    JSON: as `retry`
    """
    _act(instance, saga, "resume", actor(who, reason), json=json)


def resolve(
    instance: Instance,
    status: Annotated[FinalStatus, typer.Argument(metavar="completed|compensated", help="What it was made by hand")],
    *,
    reason: Reason,
    saga: OfSaga = None,
    who: Who = None,
    json: Json = False,
) -> None:
    """End a stalled instance that was put right by hand.

    Its outcome is published.

    JSON: as `retry`
    """
    _act(instance, saga, "resolve", {**actor(who, reason), "status": status}, json=json)


def _act(
    instance: str,
    saga: str | None,
    verb: str,
    body: Mapping[str, object],
    *,
    json: bool,
    follow: float | None = None,
) -> None:
    """Request an action, and print its result; exit with 1 if it was refused, or failed again.

    `follow` the instance for so many seconds.
    """
    with open_reader() as reader:
        id_ = find(reader, instance, saga).id
    result = call(f"instances/{id_}/{verb}", body)
    if follow is not None and result["end"] == ActionEnd.ADVANCED:
        result |= _follow(id_, body["step"], follow)
    is_well = result["end"] in {ActionEnd.ADVANCED, ActionEnd.WAITING}
    if json:
        print_json({"id": id_, **result})
    else:
        (echo if is_well else remark)(_sentence(result))
    if not is_well:
        raise typer.Exit(1)


def _sentence(result: Mapping[str, Any]) -> str:
    """Return how an action ended and why, and how the instance stands now, unless the reason says that."""
    why, subject = result["why"] or "", "the instance is"
    stands = "" if why.startswith(subject) else f"{subject} {result['status']}{', paused' if result['paused'] else ''}"
    sent = f" Sent: {', '.join(result['sent'])}." if result["sent"] else ""
    return f"{result['end']}: {'; '.join(filter(None, (why, stands)))}.{sent}"


def _follow(id_: str, step: object, seconds: float) -> dict[str, object]:
    """Poll until the step (None: all that the instance waits for) has a reply; return how it ended, and why."""
    deadline = time.monotonic() + seconds
    while True:
        with open_reader() as reader:
            detail = show_instance(reader, find(reader, id_, None), 1, datetime.now(UTC))
        end, why = _standing(detail, step)
        if end is not ActionEnd.WAITING or time.monotonic() >= deadline:
            return {
                "end": end,
                "why": why if why or end is ActionEnd.ADVANCED else detail.history[-1].summary,
                "status": detail.status,
            }
        time.sleep(POLL_INTERVAL)


def _standing(detail: InstanceDetail, step: object) -> tuple[ActionEnd, str | None]:
    """Return where an instance stands after a retry, and why if that is known."""
    if detail.status is Status.STALLED:
        return ActionEnd.FAILED, describe_cause(detail.stall) if detail.stall else None
    commands = [each for run in detail.steps for each in (run.forward, run.compensation) if each]
    of_step = [each for each in commands if each.step == step][-1:]
    if of_step and of_step[0].progress is not Progress.ASKED:
        return ActionEnd.ADVANCED if of_step[0].progress is Progress.DONE else ActionEnd.FAILED, None
    pending = of_step or [each for each in commands if each.progress in {Progress.ASKED, Progress.WAITING}]
    names = [format_direction(each.step, each.direction) for each in pending]
    return (ActionEnd.WAITING, f"for {', '.join(names)}") if names else (ActionEnd.ADVANCED, None)
