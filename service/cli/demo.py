"""`saga demo` and `saga bench`: to see the coordinator at work, and to measure it."""

# ruff: noqa: PLC0415  a verb imports what it needs when it runs: `saga --help` has nothing to wait for

import json as codec
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from saga_coordinator.service.cli.options import HELP, Json

T = TypeVar("T")

ENDLESS: Final = sys.maxsize

demo = typer.Typer(context_settings=HELP, invoke_without_command=True)

Servers = Annotated[
    str | None, typer.Option("--bootstrap-servers", help="Kafka; SAGA_KAFKA__BOOTSTRAP_SERVERS if not given")
]
Properties = Annotated[str, typer.Option(help="JSON; further properties of librdkafka, such as security.protocol")]


@demo.callback()
def play(
    context: typer.Context,
    *,
    orders: Annotated[int, typer.Option(min=1, max=100_000, help="How many orders")] = 200,
    json: Json = False,
) -> None:
    """Play orders through the whole, and check it.

    An embedded broker, the service, five participants and a shop run in this one process; at the end the participants'
    own ledgers say whether anything was lost or done twice.
    """
    if context.invoked_subcommand is not None:
        return
    from saga_coordinator.service.demo.play import play as played

    raise typer.Exit(played(orders, as_json=json))


@demo.command("participants")
def participants(
    *,
    servers: Servers = None,
    ledgers: Annotated[Path | None, typer.Option(help="Directory of the ledgers; in memory without it")] = None,
    behaviour: Annotated[str, typer.Option(help="JSON: who declines, forgets, delays")] = "{}",
    properties: Properties = "{}",
) -> None:
    """Run the five participants until SIGTERM.

    Prints JSON, one object a line.
    """
    from saga_coordinator.service.demo.behaviour import Behaviour
    from saga_coordinator.service.demo.process import run_participants

    behaves = _parsed("--behaviour", Behaviour.from_json, behaviour)
    raise typer.Exit(run_participants(_servers(servers), ledgers, behaves, _properties(properties)))


@demo.command("orders")
def place_orders(
    *,
    servers: Servers = None,
    orders: Annotated[int | None, typer.Option(min=1, help="How many; until SIGTERM without it")] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Orders a second, instead of a window")] = None,
    window: Annotated[int, typer.Option(min=1, help="Orders in flight")] = 400,
    seed: Annotated[int | None, typer.Option(help="One seed, the same orders; a new one each time without it")] = None,
    journal: Annotated[Path | None, typer.Option(help="File for orders and outcomes, for the audit")] = None,
    properties: Properties = "{}",
) -> None:
    """Place orders and wait for their outcomes.

    Prints one line of JSON. Exit code 1 if an order has no outcome, or two.
    """
    from saga_coordinator.service.cli.console import fail
    from saga_coordinator.service.demo.load import Plan, Rate, Window
    from saga_coordinator.service.demo.process import run_load

    plan = Plan(
        orders=orders or ENDLESS,
        seed=int(time.time()) if seed is None else seed,
        pace=Window(window) if rate is None else Rate(rate),
    )
    try:
        code = run_load(_servers(servers), plan, journal, _properties(properties))
    except RuntimeError as error:
        fail(str(error))
    raise typer.Exit(code)


def _servers(given: str | None) -> str:
    """Return where Kafka is."""
    from saga_coordinator.service.cli.configuration import load_settings

    return given or load_settings().kafka.bootstrap_servers


def _properties(text: str) -> dict[str, str | int | float | bool]:
    return _parsed("--properties", _an_object, text)


def _an_object(text: str) -> dict[str, Any]:
    found = codec.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"a JSON object is needed, not {text}")  # noqa: TRY004  the text is wrong, not a type of ours
    return found


def _parsed(option: str, parse: Callable[[str], T], text: str) -> T:
    """Read the value of an option; end with 2 if it is wrong."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
