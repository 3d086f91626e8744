"""`saga graph`: definitions, and instances on them, as pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.diagrams.mermaid import mermaid
from saga_coordinator.sagas.diagrams.svg.document import svg
from saga_coordinator.sagas.machine import Instance
from saga_coordinator.service.cli.console import fail, print_json
from saga_coordinator.service.cli.definitions import choose
from saga_coordinator.service.cli.options import Json
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.instance import definition, find

Form = Literal["mermaid", "svg"]
Drawn = tuple[AnySaga, Instance[Any] | None]

WRITERS: dict[Form, Callable[[AnySaga, Instance[Any] | None], str]] = {"mermaid": mermaid, "svg": svg}


def graph(
    saga: Annotated[
        str | None, typer.Argument(metavar="SAGA|MODULE:NAME", help="Only this saga, or those at a place in the code")
    ] = None,
    *,
    instance: Annotated[str | None, typer.Option(help="Draw the state of this instance (id or key) on it")] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="What to draw; without it mermaid, or what the file's name says")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file")] = None,
    json: Json = False,
) -> None:
    """Draw sagas as Mermaid flowcharts, or one as an SVG picture.

    JSON: [{"saga", "version", "instance", "mermaid" or "svg"}]
    """
    form = form or ("svg" if output is not None and output.suffix == ".svg" else "mermaid")
    drawn: Sequence[Drawn] = _with_instance(saga, instance) if instance else [(each, None) for each in choose(saga)]
    if json:
        print_json([_to_json(each, form) for each in drawn])
        return
    if form == "svg" and len(drawn) > 1:
        fail(f"an SVG file holds one picture: name one of {', '.join(saga.name for saga, _ in drawn)}")
    text = "".join(_headed(each, form, is_one_of_many=len(drawn) > 1) for each in drawn)
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)


def _to_json(drawn: Drawn, form: Form) -> dict[str, object]:
    saga, run = drawn
    picture = WRITERS[form](saga, run)
    return {"saga": saga.name, "version": saga.version, "instance": run.id if run else None, form: picture}


def _headed(drawn: Drawn, form: Form, *, is_one_of_many: bool) -> str:
    saga, run = drawn
    heading = f"%% {saga.name} v{saga.version}\n" if is_one_of_many else ""
    return heading + WRITERS[form](saga, run)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}; name a file in a folder that is there and can be written to")


def _with_instance(name: str | None, wanted: str) -> list[Drawn]:
    with open_reader() as reader:
        row = find(reader, wanted, name)
        saga = definition(reader, row)
        return [(saga, row.instance(saga))]
