"""Options that several verbs share."""

from typing import Annotated, Any, Final

import typer

HELP: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}

Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else")]
OfSaga = Annotated[str | None, typer.Option(help="Only instances of this saga")]
Instance = Annotated[str, typer.Argument(metavar="ID|KEY", help="The instance's id or its business key")]
Reason = Annotated[str, typer.Option(help="Why: it is kept with what is done")]
Who = Annotated[str | None, typer.Option(help="Who wants it; without it the user of the operating system")]
