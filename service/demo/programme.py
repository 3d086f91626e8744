"""What is said around the picture of a demo: what is played, the story of one order, where to go from here."""

from datetime import timedelta

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.demo.lanes import LEGEND, history_lanes
from saga_coordinator.service.demo.script import Script
from saga_coordinator.service.demo.story import Story
from saga_coordinator.service.demo.trace_tree import trace_ids, trace_tree
from saga_coordinator.service.demo.words import span
from saga_coordinator.service.telemetry.environment import Kind, endpoint


def opening(script: Script) -> RenderableType:
    """Say what is played, and by which rules it differs from real life."""
    asked, mishaps = order_fulfilment.plan.steps["charge-card"].step, script.behaviour
    refused, lost = _one_in(mishaps.declines["ship-order"]), _one_in(mishaps.lost_replies[asked.name])
    timeout = asked.timeout if isinstance(asked.timeout, timedelta) else timedelta(0)
    waits, declared = span(timeout / script.time_scale), span(timeout)
    lines = [
        "An embedded Kafka broker, a temporary SQLite file, all in this one process.",
        f"On purpose shipping refuses {refused} orders, and payments loses {lost} replies.",
        f"Time limits are cut by {script.time_scale:g}: {asked.name} waits {waits} for its reply, not {declared}.",
    ]
    if (exported_to := endpoint(Kind.TRACES)) is not None:
        lines.append(f"Traces are exported to {exported_to}.")
    title = f"saga demo: {script.orders:,} orders through {order_fulfilment.name}, {script.per_s:.0f} a second"
    return Group(Text(title, "bold"), *map(Text, lines), Text())


def story(told: Story) -> RenderableType:
    """Tell one order's whole story: what became of it, its trace, its history."""
    instance = told.instance
    took = (instance.ended_at - instance.started_at) if instance.ended_at else timedelta()
    cause = instance.cause
    why = f", because of {cause.step or 'its customer'}: {cause.code}, {cause.message}" if cause else ""
    traces = len(trace_ids(told))
    return Group(
        Text(),
        Rule(f"the story of {instance.key}", align="left", style="dim"),
        Text(f"{instance.status} after {span(took)}{why}"),
        Text(),
        Text(f"Its trace: {len(told.spans)} spans in {traces} linked trace{'s' if traces > 1 else ''}", "bold"),
        trace_tree(told),
        Text(),
        Text.assemble(("Its history in the database", "bold"), f"  ({LEGEND})"),
        history_lanes(told),
    )


def closing() -> RenderableType:
    """Say what to look at next."""
    return Group(
        Text(),
        Rule("what next", align="left", style="dim"),
        Text("README.md: Write a saga; Take part as another service; What is promised"),
        Text("On a Kafka of your own: saga doctor, saga topics apply, saga serve"),
        Text("All commands: .venv/bin/saga --help"),
    )


def _one_in(share: float) -> str:
    return f"1 in {round(1 / share)}"
