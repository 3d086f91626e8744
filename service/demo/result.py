"""What came of a demo, for people and for programs."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.demo.display import COLOURS
from saga_coordinator.service.demo.report import percentile
from saga_coordinator.service.demo.script import FETCH_WAIT, Script
from saga_coordinator.service.demo.stage import DemoResult
from saga_coordinator.service.demo.tally import Tally
from saga_coordinator.service.demo.trace_tree import trace_ids
from saga_coordinator.service.demo.words import span

MAX_VIOLATIONS: Final = 10


def is_good(performance: DemoResult) -> bool:
    """Say whether every order has its one outcome, and the ledgers agree with it."""
    over = performance.statuses[Status.COMPLETED] + performance.statuses[Status.COMPENSATED]
    return performance.audit.ok and over == performance.report.orders > 0


def as_object(script: Script, tally: Tally, performance: DemoResult) -> dict[str, object]:
    """Return the result as it is written in JSON. Durations are in seconds."""
    found, story = performance.audit, performance.story
    return {
        "ok": is_good(performance),
        "orders": performance.report.orders,
        "seconds": round(performance.report.seconds, 3),
        "statuses": {status.value: count for status, count in performance.statuses.items()},
        "cycle_s": {
            status.value: {"p50": round(percentile(times, 0.5), 4), "p99": round(percentile(times, 0.99), 4)}
            for status, times in tally.cycles.items()
        },
        "lost": len(found.lost),
        "done_twice": len(found.done_twice),
        "violations": list(found.violations),
        "sent_again_absorbed": found.repeats,
        "copies_ignored": tally.copies,
        "undone": performance.undone,
        "commands": tally.commands,
        "replies": tally.replies,
        "spans": tally.spans,
        "time_limits_divided_by": script.time_scale,
        "story": None if story is None else {"order_id": story.instance.key, "trace_ids": trace_ids(story)},
    }


def summary(script: Script, tally: Tally, performance: DemoResult) -> RenderableType:
    """Return the result for people."""
    report = performance.report
    return Group(
        Text(f"{report.orders:,} orders in {span(report.seconds)}", "bold"),
        Text(),
        _statuses(tally, performance),
        Text(),
        *_verdict(performance),
        Text(),
        _figures(tally, performance),
        Text(),
        Text(_remark(script), "dim"),
    )


def _statuses(tally: Tally, performance: DemoResult) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for heading in ("status", "orders", "cycle time p50", "p99"):
        drawn.add_column(heading, justify="left" if heading == "status" else "right", no_wrap=True)
    for status, colour in COLOURS.items():
        times = tally.cycles[status]
        shown = [_cycle(percentile(times, share)) for share in (0.5, 0.99)] if times else ["", ""]
        drawn.add_row(Text(status, colour), f"{performance.statuses[status]:,}", *shown)
    return drawn


def _cycle(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _verdict(performance: DemoResult) -> list[Text]:
    """Return what the ledgers say, and the first sentences on whatever is wrong."""
    found = performance.audit
    shown = f"lost {len(found.lost)}, done twice {len(found.done_twice)}"
    how = "as checked against the participants' own ledgers"
    lines = [Text.assemble((shown, "bold green" if found.ok else "bold red"), f", {how}")]
    lines += [Text(f"  {sentence}", "red") for sentence in found.violations[:MAX_VIOLATIONS]]
    if len(found.violations) > MAX_VIOLATIONS:
        lines.append(Text(f"  and {len(found.violations) - MAX_VIOLATIONS} more", "red"))
    return lines


def _figures(tally: Tally, performance: DemoResult) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column()
    found = performance.audit
    for figure, what in (
        (found.repeats, "commands reached a participant again, under the same id: absorbed"),
        (performance.undone, f"effects were undone, for {found.compensated} rejected orders"),
        (tally.copies, "messages reached the coordinator again: ignored"),
        (tally.commands, f"commands went out and {tally.replies:,} replies came in, on {tally.spans:,} spans"),
    ):
        grid.add_row(f"{figure:,}", what)
    return grid


def _remark(script: Script) -> str:
    waited = span(120 / script.time_scale)
    return (
        f"p50 and p99 run from the order to its outcome. Up to {FETCH_WAIT * 1000:.0f} ms of each hop are the embedded "
        f"broker's, which holds an empty fetch; the slowest orders waited {waited} for a lost reply."
    )
