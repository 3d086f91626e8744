"""Options and arguments that several verbs share."""

import getpass
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import from_json

from saga_coordinator.handlers.records import Place
from saga_coordinator.service.views.text import parse_place


def group(help_: str) -> typer.Typer:
    """Return a verb that has verbs of its own; without one of them it prints its help."""
    return typer.Typer(help=help_, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def to_place(text: str) -> Place:
    """Return the place that TOPIC:PARTITION:OFFSET names; exit with 2 if it is none."""
    try:
        return parse_place(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


PLACE = "TOPIC:PARTITION:OFFSET"

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else")]
Cursor = Annotated[str | None, typer.Option(help="The next page, as the last one names it")]
OfSaga = Annotated[str | None, typer.Option(help="Only instances of this saga")]
Instance = Annotated[str, typer.Argument(metavar="ID|KEY", help="The instance's id or its business key")]
History = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many entries of the history, the newest")]
RecordPlace = Annotated[Place, typer.Argument(parser=to_place, metavar=PLACE, help="Where the record is")]
RecordPlaces = Annotated[
    list[Place] | None, typer.Argument(parser=to_place, metavar=PLACE, help="Where the records are")
]
Reason = Annotated[str, typer.Option(help="Why: it is kept with what is done")]
Who = Annotated[str | None, typer.Option(help="Who does it; without it the user of the operating system")]


def actor(who: str | None, reason: str) -> dict[str, object]:
    """Return who does something and the reason, as a request says it."""
    return {"who": who or getpass.getuser(), "reason": reason}


def read(source: str) -> bytes:
    """Return the content of a file, or of standard input (`-`)."""
    return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()


def read_json(source: str) -> Any:  # noqa: ANN401  whatever JSON can hold
    """Return the JSON of a file or of standard input; exit with 2 if it is none."""
    try:
        return from_json(read(source))
    except ValueError as error:
        raise typer.BadParameter(f"{source} is no JSON: {error}") from error
