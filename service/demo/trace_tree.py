"""One order's trace as a tree: its spans, each with its time, and between them what the participants did."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from rich.table import Table
from rich.text import Text

from saga_coordinator.service.demo.command_handler import HandledCommand
from saga_coordinator.service.demo.ledger import Effect
from saga_coordinator.service.demo.story import OrderStory, brief
from saga_coordinator.service.telemetry.conventions import (
    ATTEMPT,
    DIRECTION,
    ERROR_TYPE,
    EVENT_TYPE,
    MESSAGE_ID,
    STATUS,
    STEP,
)
from saga_coordinator.service.telemetry.spans import Span

_BRANCH, _LAST, _BESIDE, _BELOW = "├ ", "└ ", "│ ", "  "
_PLAIN, _FOREIGN, _UNDO, _WRONG, _HEAD = "", "italic cyan", "magenta", "red", "bold"
_EFFECTS: Final[Mapping[Effect, str]] = {
    Effect.DONE: "did it",
    Effect.COMPENSATED: "compensated it",
    Effect.REFUSED: "refused it",
    Effect.NOTHING_TO_COMPENSATE: "had nothing to compensate",
    Effect.COMPENSATED_ALREADY: "refused it, because it was compensated already",
}
_REPLIES: Final = {0: "; its reply was lost", 1: "", 2: "; replied twice"}


class _Node(NamedTuple):
    """A line of the tree; times are nanoseconds. `took` is None for what is no span."""

    at: int
    took: int | None
    text: str
    style: str
    children: list["_Node"]


def trace_tree(story: OrderStory) -> Table:
    """Return the tree with a column of times: milliseconds since the order was placed, and how long a span lasted."""
    drawn = Table(box=None, pad_edge=False, show_header=True, header_style="bold", padding=(0, 1, 0, 0))
    drawn.add_column("at ms", justify="right", no_wrap=True)
    drawn.add_column("span", no_wrap=True, overflow="ellipsis", ratio=1)
    drawn.add_column("took ms", justify="right", no_wrap=True)
    for root in _Tree(story).roots():
        for guides, node in _lines(root, "", ""):
            at = f"{(node.at - story.placed_at) / 1e6:,.0f}"
            took = "" if node.took is None else f"{node.took / 1e6:,.1f}"
            drawn.add_row(at, Text.assemble((guides, "dim"), (node.text, node.style)), took)
    return drawn


def trace_ids(story: OrderStory) -> list[str]:
    """Return the ids of the traces of an order, in the order of their beginnings."""
    return list(dict.fromkeys(span.context.trace_id for span in sorted(story.spans, key=_start)))


class _Tree:
    """Makes nodes of the spans of a story."""

    def __init__(self, story: OrderStory) -> None:
        self._placed_at = story.placed_at
        self._spans = sorted(story.spans, key=_start)
        self._handled = _by_span(self._spans, story)
        self._sent: Counter[str] = Counter()
        self._children: defaultdict[str, list[Span]] = defaultdict(list)
        for span in self._spans:
            self._children[_parent(span)].append(span)

    def roots(self) -> Iterator[_Node]:
        """Yield a node for each trace: its cause, and beneath it the spans whose parent is none of ours."""
        ours = {span.context.span_id for span in self._spans}
        tops: defaultdict[str, list[Span]] = defaultdict(list)
        for span in self._spans:
            if _parent(span) not in ours:
                tops[span.context.trace_id].append(span)
        for number, (trace_id, spans) in enumerate(tops.items()):
            cause = "the shop placed the order" if number == 0 else "a timer fired; linked to the first"
            at = self._placed_at if number == 0 else _start(spans[0])[0]
            yield _Node(at, None, f"trace {trace_id}"[:14] + f"… {cause}", _HEAD, [self._node(s) for s in spans])

    def _node(self, span: Span) -> _Node:
        span_id = span.context.span_id
        text = self._text(span)
        children = [self._node(each) for each in self._children[span_id]]
        if (handled := self._handled.get(span_id)) is not None:
            children = [_Node(handled.at, None, _describe(handled), _FOREIGN, children)]
        return _Node(span.began, span.ended - span.began, text, _style(span), children)

    def _text(self, span: Span) -> str:
        """Return what a span is about, in fewer words than its attributes."""
        operation, _, name = span.template.name.partition(" ")
        message, step = brief(_attribute(span, EVENT_TYPE)), _attribute(span, STEP)
        match operation:
            case "send":
                return f"send {message}{self._again(span)}"
            case "process":
                return f"process {message}" + (f": {wrong}" if (wrong := _attribute(span, ERROR_TYPE)) else "")
            case "saga":
                return f"saga {name}: {_attribute(span, STATUS)}"
            case _:
                return f"{operation}: {step} is due" if step else operation

    def _again(self, span: Span) -> str:
        """Return which sending this is, if it is not the first."""
        message_id, attempt = _attribute(span, MESSAGE_ID), _attribute(span, ATTEMPT)
        self._sent[message_id] += 1
        if self._sent[message_id] > 1:
            return " again, same id"
        return f", attempt {attempt}" if attempt not in {"", "1"} else ""


def _by_span(spans: list[Span], story: OrderStory) -> dict[str, HandledCommand]:
    """Return the handled commands by the span that sent each: commands of one name arrive in the order of sending."""
    handled: defaultdict[str, deque[HandledCommand]] = defaultdict(deque)
    for each in story.handled:
        handled[each.name].append(each)
    sends = [span for span in spans if span.template.name.startswith("send ")]
    return {
        span.context.span_id: queue.popleft()
        for span in sends
        if (queue := handled[brief(_attribute(span, EVENT_TYPE))])
    }


def _lines(node: _Node, own: str, below: str) -> Iterator[tuple[str, _Node]]:
    """Yield a node and all beneath it, each with the guides that stand before it."""
    yield own, node
    for number, child in enumerate(node.children, start=1):
        last = number == len(node.children)
        yield from _lines(child, below + (_LAST if last else _BRANCH), below + (_BELOW if last else _BESIDE))


def _describe(command: HandledCommand) -> str:
    done = "has this id already: not done twice, same reply" if command.repeat else _EFFECTS[command.effect]
    return f"{command.participant} {done}{_REPLIES.get(command.replies, '')}"


def _style(span: Span) -> str:
    if _attribute(span, ERROR_TYPE):
        return _WRONG
    return _UNDO if _attribute(span, DIRECTION) == "compensation" else _PLAIN


def _attribute(span: Span, name: str) -> str:
    return str(span.attributes.get(name, ""))


def _parent(span: Span) -> str:
    return span.parent.span_id if span.parent is not None else ""


def _start(span: Span) -> tuple[int, int]:
    """Return the sort key of a span: its start and, of those that start together, the longest first."""
    return span.began, -span.ended
