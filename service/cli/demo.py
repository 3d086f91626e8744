"""`saga demo`: the coordinator at work, on an embedded broker or with participants and orders on a Kafka."""

# ruff: noqa: PLC0415  the extra `demo` may be missing

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from saga_coordinator.service.cli.console import fail
from saga_coordinator.service.cli.embedded import demo_extra
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.cli.options import Json

T = TypeVar("T")

ENDLESS: Final = sys.maxsize

demo = typer.Typer(invoke_without_command=True, add_completion=False, rich_markup_mode=None)

Servers = Annotated[
    str | None, typer.Option("--bootstrap-servers", help="Kafka; SAGA_KAFKA__BOOTSTRAP_SERVERS if not given")
]
Properties = Annotated[str, typer.Option(help="JSON; further properties of librdkafka, such as security.protocol")]


@demo.callback()
def run_demo(
    context: typer.Context,
    *,
    orders: Annotated[int, typer.Option(min=1, max=100_000, help="How many orders")] = 200,
    json: Json = False,
) -> None:
    """Run orders through a whole system, and check the result.

    An embedded broker, the service, five participants and a shop run in this one process; at the end the participants'
    own ledgers say whether anything was lost or done twice.
    """
    if context.invoked_subcommand is not None:
        return
    with demo_extra():
        from saga_coordinator.service.demo.demo import demo as run
    raise typer.Exit(run(orders, as_json=json))


@demo.command("participants")
def participants(
    *,
    servers: Servers = None,
    ledgers: Annotated[Path | None, typer.Option(help="Directory of the ledgers; in memory without it")] = None,
    behaviour: Annotated[str, typer.Option(help="JSON: how often who declines, delays, loses")] = "{}",
    properties: Properties = "{}",
) -> None:
    """Run the five participants until SIGTERM.

    Prints JSON, one object a line.
    """
    with demo_extra():
        from saga_coordinator.service.demo.behaviour import Behaviour, from_json
        from saga_coordinator.service.demo.process import run_participants
    behaves = _parsed("--behaviour", partial(from_json, Behaviour), behaviour)
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

    After SIGTERM or Ctrl-C it places no more orders and waits for the outcomes; a second one ends it at once.

    Prints one line of JSON. Exit code 1 if an order has no outcome, or two.
    """
    with demo_extra():
        from saga_coordinator.service.demo.load import LoadPlan
        from saga_coordinator.service.demo.process import run_load
    plan = LoadPlan(
        orders=orders or ENDLESS,
        seed=int(time.time()) if seed is None else seed,
        window=window,
        per_s=rate,
    )
    try:
        code = run_load(_servers(servers), plan, journal, _properties(properties))
    except RuntimeError as error:
        fail(str(error))
    raise typer.Exit(code)


def _servers(given: str | None) -> str:
    return given or load_settings().kafka.bootstrap_servers


def _properties(text: str) -> dict[str, str | int | float | bool]:
    from pydantic import TypeAdapter

    return _parsed("--properties", TypeAdapter(dict[str, str | int | float | bool]).validate_json, text)


def _parsed(option: str, parse: Callable[[str], T], text: str) -> T:
    """Read the value of an option; end with 2 if it is wrong."""
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
