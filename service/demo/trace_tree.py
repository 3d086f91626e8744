"""One order's trace as a tree: its spans, each with its time, and between them what the participants did."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from rich.table import Table
from rich.text import Text

from saga_coordinator.service.demo.entries import Effect
from saga_coordinator.service.demo.story import HandledCommand, Story
from saga_coordinator.service.demo.words import brief
from saga_coordinator.service.telemetry.conventions import (
    ATTEMPT,
    DIRECTION,
    ERROR_TYPE,
    EVENT_TYPE,
    MESSAGE_ID,
    STATUS,
    STEP,
)

_BRANCH, _LAST, _BESIDE, _BELOW = "├ ", "└ ", "│ ", "  "
_PLAIN, _FOREIGN, _UNDO, _WRONG, _HEAD = "", "italic cyan", "magenta", "red", "bold"
_MADE_OF_IT: Final[Mapping[Effect, str]] = {
    Effect.DONE: "did it",
    Effect.UNDONE: "undid it",
    Effect.REFUSED: "refused it",
    Effect.NOTHING_TO_UNDO: "had nothing to undo",
    Effect.COMPENSATED_ALREADY: "refused it, because it was undone already",
}
_REPLIES: Final = {0: "; its reply was lost", 1: "", 2: "; replied twice"}


@dataclass(frozen=True, slots=True)
class _Node:
    """A line of the tree; times are nanoseconds. `took` is None for what is no span."""

    at: int
    took: int | None
    text: str
    style: str
    children: list["_Node"] = field(default_factory=list)


def trace_tree(story: Story) -> Table:
    """Return the tree with a column of times: milliseconds since the order was placed, and how long a span lasted."""
    drawn = Table(box=None, pad_edge=False, show_header=True, header_style="bold", padding=(0, 1, 0, 0))
    drawn.add_column("at ms", justify="right", no_wrap=True)
    drawn.add_column("span", no_wrap=True, overflow="ellipsis", ratio=1)
    drawn.add_column("took ms", justify="right", no_wrap=True)
    for node in _roots(story):
        for guides, line in _lines(node, "", ""):
            at = f"{(line.at - story.placed_at) / 1e6:,.0f}"
            took = "" if line.took is None else f"{line.took / 1e6:,.1f}"
            drawn.add_row(at, Text.assemble((guides, "dim"), (line.text, line.style)), took)
    return drawn


def trace_ids(story: Story) -> list[str]:
    """Return the ids of the traces of an order, in the order of their beginnings."""
    by_start = sorted(story.spans, key=_start)
    return list(dict.fromkeys(f"{_context(span)[0]:032x}" for span in by_start))


def _roots(story: Story) -> Iterator[_Node]:
    """Yield a node for each trace: what began it, and beneath it the spans whose parent is none of ours."""
    children: defaultdict[int, list[ReadableSpan]] = defaultdict(list)
    ours = {_context(span)[1] for span in story.spans}
    tops: defaultdict[int, list[ReadableSpan]] = defaultdict(list)
    for span in sorted(story.spans, key=_start):
        parent = span.parent.span_id if span.parent is not None else 0
        if parent in ours:
            children[parent].append(span)
        else:
            tops[_context(span)[0]].append(span)
    tree = _Tree(children, _participants(story), {})
    for number, (trace_id, spans) in enumerate(tops.items()):
        begun = "the shop placed the order" if number == 0 else "an alarm rang; linked to the first"
        at = story.placed_at if number == 0 else _start(spans[0])[0]
        yield _Node(at, None, f"trace {trace_id:032x}"[:14] + f"… {begun}", _HEAD, [tree.node(each) for each in spans])


def _participants(story: Story) -> dict[int, HandledCommand]:
    """Return what was made of each command, by the span that sent it: each name's commands came in their order."""
    told: defaultdict[str, deque[HandledCommand]] = defaultdict(deque)
    for handled in story.handled:
        told[handled.hop.command].append(handled)
    found = {}
    for span in sorted(story.spans, key=_start):
        waiting = told[brief(_attribute(span, EVENT_TYPE))]
        if span.name.startswith("send ") and waiting:
            found[_context(span)[1]] = waiting.popleft()
    return found


@dataclass(frozen=True, slots=True)
class _Tree:
    """What is needed to make nodes: spans by parent, participants by span, messages sent before by id."""

    children: Mapping[int, Sequence[ReadableSpan]]
    participants: Mapping[int, HandledCommand]
    sent: dict[str, int]

    def node(self, span: ReadableSpan) -> _Node:
        span_id = _context(span)[1]
        start, end = span.start_time or 0, span.end_time or 0
        text = self.text(span)
        beneath = [self.node(each) for each in self.children.get(span_id, ())]
        handled = self.participants.get(span_id)
        if handled is not None:
            beneath = [_Node(handled.at, None, _made_of_it(handled), _FOREIGN, beneath)]
        return _Node(start, end - start, text, _style(span), beneath)

    def text(self, span: ReadableSpan) -> str:
        """Return what a span is about, in fewer words than its attributes."""
        doing, _, name = span.name.partition(" ")
        message = brief(_attribute(span, EVENT_TYPE))
        match doing:
            case "send":
                return f"send {message}{self.again(span)}"
            case "process":
                return f"process {message}" + (f": {wrong}" if (wrong := _attribute(span, ERROR_TYPE)) else "")
            case "saga":
                return f"saga {name}: {_attribute(span, STATUS)}"
            case _:
                return f"{doing}: {_attribute(span, STEP)} is due" if _attribute(span, STEP) else doing

    def again(self, span: ReadableSpan) -> str:
        """Say which sending this is, if it is not the first."""
        message_id, attempt = _attribute(span, MESSAGE_ID), _attribute(span, ATTEMPT)
        self.sent[message_id] = self.sent.get(message_id, 0) + 1
        if self.sent[message_id] > 1:
            return " again, same id"
        return f", attempt {attempt}" if attempt not in {"", "1"} else ""


def _lines(node: _Node, own: str, below: str) -> Iterator[tuple[str, _Node]]:
    """Yield a node and all beneath it, each with the guides that stand before it."""
    yield own, node
    for number, child in enumerate(node.children, start=1):
        last = number == len(node.children)
        yield from _lines(child, below + (_LAST if last else _BRANCH), below + (_BELOW if last else _BESIDE))


def _made_of_it(handled: HandledCommand) -> str:
    hop = handled.hop
    made = "knows this id: not done twice, same reply" if hop.repeat else _MADE_OF_IT[hop.did]
    return f"{hop.participant} {made}{_REPLIES.get(hop.replies, '')}"


def _style(span: ReadableSpan) -> str:
    if _attribute(span, ERROR_TYPE):
        return _WRONG
    return _UNDO if _attribute(span, DIRECTION) == "compensation" else _PLAIN


def _attribute(span: ReadableSpan, name: str) -> str:
    return str((span.attributes or {}).get(name, ""))


def _context(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    return (0, 0) if context is None else (context.trace_id, context.span_id)


def _start(span: ReadableSpan) -> tuple[int, int]:
    """Return what spans are ordered by: their start and, of those that start together, the longest first."""
    return span.start_time or 0, -(span.end_time or 0)
