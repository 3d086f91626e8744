"""The command line `saga`. The module of a verb is imported when the verb runs, so that `saga --help` is fast.

Exit code 0: done. 1: failed, with the reason on standard error. 2: a wrong command line or a wrong setting. The result
is on standard output, and with `--json` nothing else is.
"""

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Final

if os.getpid() == 1:  # a signal without a handler is dropped for PID 1: it must not wait for the imports below
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda number, _frame: sys.exit(128 + number))


import typer
from typer.core import TyperGroup
from typer.main import get_command

VERBS: Final = {
    "serve": "Run the coordinator until SIGTERM or SIGINT.",
    "doctor": "Check whether the service can run here.",
    "lint": "Check the sagas of the catalog.",
    "test": "Try a saga with every fault at every moment, on virtual time.",
    "graph": "Draw sagas as Mermaid flowcharts, or one as an SVG picture.",
    "ls": "List instances, the newest first.",
    "show": "Show one instance with its steps, history, data and trace.",
    "why": "Say why an instance is where it is.",
    "explain": "Say what became of a record, and why.",
    "config": "Show all settings and where they come from.",
    "version": "Print the version.",
    "db": "The database: backup, restore, check, upgrade.",
    "positions": "From where topics are read.",
    "topics": "The Kafka topics that the catalog needs.",
    "demo": "Run orders through a whole system, and check the result.",
    "contracts": "The messages of the catalog as JSON Schemas and AsyncAPI.",
    "dead-letters": "Dead-lettered records: look, edit, redrive, discard.",
    "records": "Records that have reached no instance, or wait for one.",
    "retry": "Send the command of a step again now.",
    "skip": "Take a step for done, with a reply.",
    "cancel": "Cancel an instance: compensate what was done.",
    "pause": "Send nothing and fire no timer until it is resumed.",
    "resume": "Continue after a pause.",
    "resolve": "End a stalled instance that was put right by hand.",
    "simulate": "Run instances on virtual time against modelled participants.",
    "diff": "Say what differs between two versions of a saga.",
    "replay": "Decide recorded histories once more.",
    "migrate": "Plan how live instances move to another version.",
}
"""Each verb with its help in one line."""

MODULES: Final = dict.fromkeys(("retry", "skip", "cancel", "pause", "resume", "resolve"), "interventions")
"""The modules of verbs that are not named after their verb."""


class Verbs(TyperGroup):
    """The verbs of `saga`. An error that a user can cause ends in a sentence; any other keeps its traceback."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  typer keeps the types of its groups private
        super().__init__(**settings)
        self.commands = dict.fromkeys(VERBS, self)  # typer suggests these names to who misspells one

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  typer keeps the type of its context private
        """Return the names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002  as above
        """Import the module of a verb and return its command, None if there is no such verb."""
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        verb = getattr(import_module(f"{__package__}.{MODULES.get(name, name)}"), name)
        if not isinstance(verb, typer.Typer):
            group = typer.Typer(add_completion=False, rich_markup_mode=None)
            group.command(cmd_name)(verb)
            verb = group
        return get_command(verb)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002  as above
        """Write all verbs with their help, without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  as above
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            # ruff: noqa: PLC0415  only a failure pays for these imports
            from saga_coordinator.service.cli.console import fail
            from saga_coordinator.service.cli.failures import reasons

            sentences = list(reasons(error))
            if None in sentences:
                raise
            fail("\nsaga: ".join(str(each) for each in sentences))


app = typer.Typer(
    cls=Verbs,
    help="Runs business processes that span services: sagas over Kafka, durable, compensated and traced.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line. An argument must be text; what an output's encoding does not have is replaced."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    for argument in sys.argv[1:]:
        if not argument.isprintable() and _is_undecodable(argument):
            sys.stderr.write(
                f"saga: the argument {argument!a} is not text in {sys.getfilesystemencoding()}: retype it\n"
            )
            sys.exit(2)
    app()


def _is_undecodable(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return True
    return False


@app.callback(invoke_without_command=True)
def saga(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version, and end")] = False,
) -> None:
    """Run business processes that span services: sagas over Kafka, durable, compensated and traced."""
    _import_from_working_directory()
    if show_version:
        from saga_coordinator.service.cli.version import version

        version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def _import_from_working_directory() -> None:
    """Let `MODULE:NAME` be found in the working directory first, as `python -m` does."""
    here = str(Path.cwd())
    if sys.path[0] != here:
        sys.path.insert(0, here)
