"""`saga test`: a saga tried with every fault at every moment, and the results."""

# ruff: noqa: PT028  `test` is the verb

import sys
from typing import Annotated, Any, Final

import typer

from saga_coordinator.contracts import Message
from saga_coordinator.handlers.routing import AnySaga, BadCatalog
from saga_coordinator.sagas.language.wording import format_count
from saga_coordinator.sagas.testing.explorer.explore import Exploration, explore
from saga_coordinator.sagas.testing.explorer.script import SagaLocation, place_of, script
from saga_coordinator.sagas.testing.explorer.table import TableCell, cells
from saga_coordinator.service.catalog import values_at
from saga_coordinator.service.cli.console import ProgressLine, echo, fail, print_json, remark, table, verbatim
from saga_coordinator.service.cli.definitions import choose
from saga_coordinator.service.cli.options import Json

HEADINGS: Final = ("step", "what happens", "moments", "completed", "compensated", "stalled")


def test(
    saga: Annotated[str, typer.Argument(metavar="NAME|MODULE:NAME", help="A saga of the catalog, or one in the code")],
    *,
    depth: Annotated[int, typer.Option(min=0, max=3, help="So many faults at once, there and back")] = 1,
    samples: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="Messages to try it with, besides generated ones")
    ] = None,
    max_states: Annotated[int, typer.Option(min=1, help="Look at no more states than these")] = 200_000,
    json: Json = False,
) -> None:
    """Try a saga with every fault at every moment, on virtual time.

    Every step refuses, fails, times out, answers late; every undo too; it is cancelled, its deadline passes, events
    stay away, copies come, it is written and read again. Ends with 1 if an invariant is violated, with the
    shortest test that shows it, or if there are more states than --max-states.

    JSON: {"ok", "complete", "saga", "version", "depth", "states", "transitions", "unreached": [NAME], "ignored": {WHAT:
    COUNT}, "cells": [{"step", "direction", "fault", "hits", "completed", "compensated", "stalled"}],
    "violations": [{"invariant", "problem", "test"}]}
    """
    definition, place = _saga(saga)
    progress = ProgressLine()
    try:
        found = explore(definition, _samples(samples), depth=depth, max_states=max_states, report=progress)
    except ValueError as error:
        fail(str(error))
    finally:
        progress.end()
    scripts = [script(each, definition, place) for each in found.counterexamples]
    if json:
        print_json(_to_json(definition, found, scripts))
    else:
        _print(found, scripts)
    if scripts:
        raise typer.Exit(1)
    if found.unfinished:
        fail(
            f"saga {definition.name} has more than {max_states} states at depth {depth}: "
            "raise --max-states, or lower --depth"
        )


def _saga(name: str) -> tuple[AnySaga, SagaLocation]:
    """Return a saga of the catalog by its name, or the one at MODULE:NAME, and where Python finds it."""
    found = choose(name)
    if len(found) != 1:
        fail(f"{name} holds {len(found)} sagas: name one of them")
    module, _, attribute = name.partition(":")
    if attribute and getattr(sys.modules[module], attribute) is found[0]:
        return found[0], SagaLocation(module, attribute)
    return found[0], place_of(found[0], sys.modules[found[0].begin.__module__])


def _samples(where: str | None) -> tuple[Message, ...]:
    """Return the messages at MODULE:NAME, where one may be as well as a tuple of them."""
    if where is None:
        return ()
    try:
        found = values_at(where)
    except BadCatalog as error:
        raise typer.BadParameter(str(error)) from error
    given = tuple(each for each in found if isinstance(each, Message))
    if len(given) < len(found):
        raise typer.BadParameter(f"{where}: it must be a message, or a tuple of messages")
    return given


def _print(found: Exploration, scripts: list[str]) -> None:
    table(HEADINGS, [_row(cell) for cell in cells(found)])
    echo("")
    for what, count in found.probed.items():
        echo(f"{what}: ignored, {format_count(count, 'time')}")
    states, edges = format_count(len(found.worlds), "state"), format_count(len(found.edges), "transition")
    echo(f"saga {found.saga.name}: {states}, {edges}, {format_count(len(scripts), 'violation')}")
    for name in () if found.unfinished or not found.worlds else found.unreached:
        remark(f"{name} was never reached: give a sample that leads there (--samples MODULE:NAME)")
    for each, text in zip(found.counterexamples, scripts, strict=True):
        echo(f"\n{each.invariant}: {each.problem}\n")
        verbatim(text)


def _row(cell: TableCell) -> tuple[str, ...]:
    ends = (cell.completed, cell.compensated, cell.stalled)
    return (_named(cell), cell.fault, str(cell.hits), *(str(count) if count else "" for count in ends))


def _named(cell: TableCell) -> str:
    if cell.step is None:
        return "(the whole)"
    return cell.step if cell.direction == "forward" else f"undo of {cell.step}"


def _to_json(saga: AnySaga, found: Exploration, scripts: list[str]) -> dict[str, Any]:
    violations = zip(found.counterexamples, scripts, strict=True)
    return {
        "ok": not scripts and not found.unfinished,
        "complete": not found.unfinished,
        "saga": saga.name,
        "version": saga.version,
        "depth": found.depth,
        "states": len(found.worlds),
        "transitions": len(found.edges),
        "unreached": found.unreached,
        "ignored": found.probed,
        "cells": cells(found),
        "violations": [
            {"invariant": each.invariant, "problem": each.problem, "test": text} for each, text in violations
        ],
    }
