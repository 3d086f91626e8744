"""`saga graph`: definitions, and instances on them, as pictures."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.diagrams.mermaid import mermaid
from saga_coordinator.sagas.diagrams.svg.document import svg
from saga_coordinator.sagas.machine import Instance
from saga_coordinator.service.cli.console import as_json, fail
from saga_coordinator.service.cli.defining import chosen
from saga_coordinator.service.cli.looking import find, looking


class Form(StrEnum):
    """What a picture is written as."""

    MERMAID = "mermaid"
    SVG = "svg"


WRITERS: dict[Form, Callable[[AnySaga, Instance[Any] | None], str]] = {Form.MERMAID: mermaid, Form.SVG: svg}

Drawn = tuple[AnySaga, Instance[Any] | None]


def graph(*, name: str | None, instance: str | None, form: str | None, output: Path | None, as_json_: bool) -> None:
    """Draw sagas, or one with the state of an instance on it, and print the pictures or write them to a file."""
    wanted = _form(form, output)
    drawn: Sequence[Drawn] = _with_instance(name, instance) if instance else [(each, None) for each in chosen(name)]
    if as_json_:
        as_json([_told(each, wanted) for each in drawn])
        return
    if wanted is Form.SVG and len(drawn) > 1:
        fail(f"an SVG file holds one picture: name one of {', '.join(saga.name for saga, _ in drawn)}")
    text = "".join(_headed(each, wanted, is_one_of_many=len(drawn) > 1) for each in drawn)
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)


def _form(form: str | None, output: Path | None) -> Form:
    """Return the form that is asked for; without a word for it, the one that the file's name says."""
    if form is not None:
        return Form(form)
    return Form.SVG if output is not None and output.suffix == ".svg" else Form.MERMAID


def _told(drawn: Drawn, form: Form) -> dict[str, object]:
    saga, run = drawn
    return {
        "saga": saga.name,
        "version": saga.version,
        "instance": run.id if run else None,
        form.value: WRITERS[form](saga, run),
    }


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
    with looking() as look:
        found = find(look, wanted, name)
    return [(found.saga, found.instance)]
