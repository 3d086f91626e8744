"""What a demo prints around its picture: its rules, its result, the story of one order; and the result as JSON."""

from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.language.wording import format_count, format_duration
from saga_coordinator.service.demo.live_view import COLOURS
from saga_coordinator.service.demo.run import DemoResult
from saga_coordinator.service.demo.script import FETCH_WAIT, Script
from saga_coordinator.service.demo.story import OrderStory
from saga_coordinator.service.demo.tally import DemoTally
from saga_coordinator.service.demo.trace_tree import trace_ids, trace_tree
from saga_coordinator.service.percentile import percentile
from saga_coordinator.service.telemetry.environment import ExportKind, endpoint
from saga_coordinator.service.views.text import format_direction
from saga_coordinator.service.views.timeline import timeline

MAX_VIOLATIONS: Final = 10


def opening(script: Script) -> RenderableType:
    """Describe the demo, and how it differs from real life."""
    step, behaviour = order_fulfilment.plan.steps["charge-card"].step, script.behaviour
    shares = (behaviour.declines["ship-order"], behaviour.lost_replies[step.name])
    refused, lost = (f"1 in {round(1 / share)}" for share in shares)
    timeout = step.timeout if isinstance(step.timeout, timedelta) else timedelta(0)
    waits, declared = format_duration(timeout / script.time_scale), format_duration(timeout)
    lines = [
        "An embedded Kafka broker, a temporary SQLite file, all in this one process.",
        f"On purpose shipping refuses {refused} orders, and payments loses {lost} replies.",
        f"Time limits are divided by {script.time_scale:g}: {step.name} waits {waits} for its reply, not {declared}.",
    ]
    if (exported_to := endpoint(ExportKind.TRACES)) is not None:
        lines.append(f"Traces are exported to {exported_to}.")
    title = f"saga demo: {script.orders:,} orders through {order_fulfilment.name}, {script.per_s:.0f} a second"
    return Group(Text(title, "bold"), *map(Text, lines), Text())


def summary(script: Script, tally: DemoTally, result: DemoResult) -> RenderableType:
    """Return the result for people, with the story of one order."""
    orders, waited = result.report, format_duration(timedelta(seconds=120 / script.time_scale))
    remark = (
        f"p50 and p99 run from the order to its outcome. Up to {FETCH_WAIT * 1000:.0f} ms of each hop are the embedded "
        f"broker's, which holds an empty fetch; the slowest orders waited {waited} for a lost reply."
    )
    parts: list[RenderableType] = [
        Text(f"{orders.orders:,} orders in {format_duration(timedelta(seconds=orders.seconds))}", "bold"),
        _statuses(tally, result),
        Group(*_verdict(result)),
        _figures(tally, result),
        Text(remark, "dim"),
    ]
    if result.story is not None:
        parts.append(_story(result.story))
    return Group(
        *(part for each in parts for part in (each, Text())),
        Rule("what next", align="left", style="dim"),
        Text("README.md: Write a saga; Take part as another service; What is promised"),
        Text("On a Kafka of your own: saga doctor, saga topics apply, saga serve"),
        Text("All commands: .venv/bin/saga --help"),
    )


def as_object(script: Script, tally: DemoTally, result: DemoResult) -> dict[str, object]:
    """Return the result as it is written in JSON. Durations are in seconds."""
    found, story = result.audit, result.story
    return {
        "ok": result.ok,
        "orders": result.report.orders,
        "seconds": round(result.report.seconds, 3),
        "statuses": {status.value: count for status, count in result.statuses.items()},
        "cycle_s": {
            status.value: {f"p{percent}": round(percentile(sorted(times), percent), 4) for percent in (50, 99)}
            for status, times in tally.cycles.items()
        },
        "lost": len(found.lost),
        "done_twice": len(found.done_twice),
        "violations": list(found.violations),
        "sent_again_absorbed": found.repeats,
        "copies_ignored": tally.copies,
        "compensated_effects": result.compensated_effects,
        "commands": tally.commands,
        "replies": tally.replies,
        "spans": tally.spans,
        "time_limits_divided_by": script.time_scale,
        "story": None if story is None else {"order_id": story.instance.key, "trace_ids": trace_ids(story)},
    }


def _statuses(tally: DemoTally, result: DemoResult) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for heading in ("status", "orders", "cycle time p50", "p99"):
        drawn.add_column(heading, justify="left" if heading == "status" else "right", no_wrap=True)
    for status, colour in COLOURS.items():
        times = sorted(tally.cycles[status])
        cycles = [_cycle(percentile(times, percent)) for percent in (50, 99)] if times else ["", ""]
        drawn.add_row(Text(status, colour), f"{result.statuses[status]:,}", *cycles)
    return drawn


def _cycle(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _verdict(result: DemoResult) -> list[Text]:
    """Return the verdict of the ledgers, and the first sentences on whatever is wrong."""
    found = result.audit
    verdict = f"lost {len(found.lost)}, done twice {len(found.done_twice)}"
    how = ", as checked against the participants' own ledgers"
    lines = [Text.assemble((verdict, "bold green" if found.ok else "bold red"), how)]
    lines += [Text(f"  {sentence}", "red") for sentence in found.violations[:MAX_VIOLATIONS]]
    if len(found.violations) > MAX_VIOLATIONS:
        lines.append(Text(f"  and {len(found.violations) - MAX_VIOLATIONS} more", "red"))
    return lines


def _figures(tally: DemoTally, result: DemoResult) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column()
    found = result.audit
    for figure, what in (
        (found.repeats, "commands reached a participant again, under the same id: absorbed"),
        (result.compensated_effects, f"effects were compensated, for {found.compensated} rejected orders"),
        (tally.copies, "messages reached the coordinator again: ignored"),
        (tally.commands, f"commands went out and {tally.replies:,} replies came in, on {tally.spans:,} spans"),
    ):
        grid.add_row(f"{figure:,}", what)
    return grid


def _story(story: OrderStory) -> RenderableType:
    """Return one order's whole story: its end, its trace, its history."""
    instance, cause = story.instance, story.instance.cause
    took = (instance.ended_at - instance.started_at) if instance.ended_at else timedelta()
    why = f", because of {cause.step or 'its customer'}: {cause.code}, {cause.message}" if cause else ""
    traces = len(trace_ids(story))
    return Group(
        Rule(f"the story of {instance.key}", align="left", style="dim"),
        Text(f"{instance.status} after {format_duration(took)}{why}\n"),
        Text(f"Its trace: {format_count(len(story.spans), 'span')} in {format_count(traces, 'linked trace')}", "bold"),
        trace_tree(story),
        Text(),
        Text("Its history in the database", "bold"),
        history(story),
    )


def history(story: OrderStory) -> Table:
    """Return the history with a column of times: milliseconds since the order was placed. No word is broken."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    drawn.add_column("at ms", justify="right", no_wrap=True)
    drawn.add_column("what came in, and what was sent")
    for entry in timeline(story.entries).entries:
        at = f"{entry.at.timestamp() * 1000 - story.placed_at / 1e6:,.0f}"
        drawn.add_row(at, Text(entry.summary))
        sent = [format_direction(each.step, each.direction) + " again" * each.again for each in entry.sent]
        for each in (*sent, *([entry.outcome] if entry.outcome else [])):
            drawn.add_row("", Text.assemble(("  → ", "dim"), each))
    return drawn
