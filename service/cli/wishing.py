"""`saga retry`, `skip`, `cancel`, `pause`, `resume`, `resolve`: what an operator wishes, and what came of it."""

# ruff: noqa: PLC0415  a verb imports what it needs when it runs: `saga --help` has nothing to wait for

from typing import Annotated, Literal

import typer

from saga_coordinator.service.cli.options import Instance, Json, OfSaga, Reason, Who

Wait = Annotated[float, typer.Option(min=0, max=3600, help="Follow it for at most so many seconds")]
StepArgument = Annotated[str, typer.Argument(help="The step, as `saga show` names it")]
Final = Literal["completed", "compensated"]


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
    """Ask a step again now.

    And say whether it advanced, failed again, or is still waiting.

    JSON: {"id", "end": "advanced|refused|failed again|still waiting", "why", "status", "paused", "sent": [TYPE]}
    """
    from saga_coordinator.service.cli.acting import Wished, act

    act(Wished("retry", instance, saga, who, reason, json), {"step": step}, follow=(step, wait))


def skip(
    instance: Instance,
    step: StepArgument,
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

    The reply has to be one that answers the step's command, or its undo where that is under way.

    JSON: as `retry`
    """
    from saga_coordinator.service.cli.acting import Wished, act, given_json

    body = {"step": step, "reply": None if reply is None else given_json(reply)}
    act(Wished("skip", instance, saga, who, reason, json), body)


def cancel(instance: Instance, *, reason: Reason, saga: OfSaga = None, who: Who = None, json: Json = False) -> None:
    """Turn an instance back: undo what was done.

    Refused once the pivot was sent.

    JSON: as `retry`
    """
    from saga_coordinator.service.cli.acting import Wished, act

    act(Wished("cancel", instance, saga, who, reason, json), {})


def pause(instance: Instance, *, reason: Reason, saga: OfSaga = None, who: Who = None, json: Json = False) -> None:
    """Send nothing and ring no alarm until it is resumed.

    JSON: as `retry`
    """
    from saga_coordinator.service.cli.acting import Wished, act

    act(Wished("pause", instance, saga, who, reason, json), {})


def resume(instance: Instance, *, reason: Reason, saga: OfSaga = None, who: Who = None, json: Json = False) -> None:
    """Go on after a pause.

    JSON: as `retry`
    """
    from saga_coordinator.service.cli.acting import Wished, act

    act(Wished("resume", instance, saga, who, reason, json), {})


def resolve(
    instance: Instance,
    status: Annotated[Final, typer.Argument(help="What it was made by hand")],
    *,
    reason: Reason,
    saga: OfSaga = None,
    who: Who = None,
    json: Json = False,
) -> None:
    """End a stalled instance that was put right by hand.

    Its outcome is told.

    JSON: as `retry`
    """
    from saga_coordinator.service.cli.acting import Wished, act

    act(Wished("resolve", instance, saga, who, reason, json), {"status": status})


def add_interventions(app: typer.Typer) -> None:
    """Give the command line the verbs of an operator."""
    for verb in (retry, skip, cancel, pause, resume, resolve):
        app.command(verb.__name__)(verb)
