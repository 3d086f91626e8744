"""Places what stands in a row, and the ways of a group as rows of their own.

A row's compensation lane runs from right to left beneath its forward line. The frame of a group is one thing in both
lanes of its row. A pivot has a line at its right: what stands beyond it is not undone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from saga_coordinator.sagas.diagrams.model import CardKind, Way
from saga_coordinator.sagas.diagrams.svg.shapes import FACES, Box, Frame, Line, Shape, Stroke, Style, Text
from saga_coordinator.sagas.diagrams.svg.sizes import (
    GAP,
    ICON,
    LINE,
    PAD,
    PIVOT_STRIP,
    SizedCard,
    SizedCell,
    SizedGroup,
    SizedItem,
    SizedRow,
    levels_of,
)

NO_RETURN = "point of no return"

Placed = tuple[tuple[SizedItem, int], ...]
"""The items of a row, each with its left edge."""


def row_shapes(row: SizedRow, x: int, level: int) -> Iterator[Shape]:
    """Place a row from `x` on, with its forward line at `level`: its lines first, so that they lie behind."""
    placed = tuple(_along(row, x))
    yield from _forward_lines(placed, level)
    yield from _back_lines(row, placed, level)
    for item, left in placed:
        if isinstance(item, SizedCell):
            yield from _cell(item, left, level, row)
        else:
            yield from _group(item, left, level, row.drop)


def _along(row: SizedRow, x: int) -> Iterator[tuple[SizedItem, int]]:
    for item in row.items:
        yield item, x
        x += item.width + GAP


def _right_of(item: SizedItem) -> int:
    """Return the width of an item up to where its arrow leaves it."""
    return item.card.width if isinstance(item, SizedCell) else item.width


def _forward_lines(placed: Placed, level: int) -> Iterator[Line]:
    for (item, left), (following, next_left) in pairwise(placed):
        yield _arrow(((left + _right_of(item), level), (next_left, level)), following)


def _arrow(points: tuple[tuple[int, int], ...], to: SizedItem) -> Line:
    """Draw an arrow to a card, or a line to a frame, where it continues."""
    return Line(points, Stroke.FORWARD, has_arrow=isinstance(to, SizedCell))


def _back_lines(row: SizedRow, placed: Placed, level: int) -> Iterator[Line]:
    """Draw the way back: from a pivot that refuses, or the last undo, from one undo to that before it."""
    if not row.drop:
        return
    lane = level + row.drop
    start: tuple[tuple[int, int], ...] = ()
    for item, left in reversed(placed):
        if isinstance(item, SizedCell) and item.card.card.kind is CardKind.PIVOT:
            middle = left + item.card.width // 2
            start = ((middle, level + item.card.height // 2), (middle, lane))
        elif item.has_compensation:
            if start:
                yield Line((*start, (left + _right_of(item), lane)), Stroke.BACK)
            start = ((left, lane),)


def _cell(cell: SizedCell, x: int, level: int, row: SizedRow) -> Iterator[Shape]:
    card = cell.card
    top = level - card.half
    if cell.undo is not None:
        lane = level + row.drop
        middle = x + card.width // 2
        if card.card.kind is not CardKind.START:
            yield Line(((middle, top + card.height), (middle, lane - cell.undo.half)), Stroke.LINK, has_arrow=False)
        yield _box(cell.undo, x, lane - cell.undo.half)
    yield _box(card, x, top)
    if card.card.kind is CardKind.PIVOT:
        line = x + cell.width
        yield Line(((line, level - row.up), (line, level + row.down)), Stroke.PIVOT, has_arrow=False)
        yield Text(line - 6, level - card.half - PIVOT_STRIP + LINE - 4, NO_RETURN, Style.PIVOT, is_end=True)


def _box(sized: SizedCard, x: int, y: int) -> Box:
    """Put a card into its place, and its lines of text into it."""
    texts, icon, base = [], None, y + PAD + 10
    has_icon = sized.card.kind not in {CardKind.START, CardKind.OUTCOME, CardKind.STEP}
    is_state = False
    for line, style in sized.lines:
        if style is Style.STATE and icon is None:
            icon, is_state = (x + PAD, base - 11), True
        indent = ICON if is_state or (style is Style.TITLE and has_icon) else 0
        texts.append(Text(x + PAD + indent, base, line, style))
        base += LINE
    return Box(card=sized.card, x=x, y=y, width=sized.width, height=sized.height, texts=tuple(texts), icon=icon)


def _diamond(sized: SizedCard, x: int, y: int) -> Box:
    base = y + (sized.height - LINE * len(sized.lines)) // 2 + 12
    texts = [
        Text(ceil(x + (sized.width - FACES[style].width(line)) / 2), base + number * LINE, line, style)
        for number, (line, style) in enumerate(sized.lines)
    ]
    return Box(card=sized.card, x=x, y=y, width=sized.width, height=sized.height, texts=tuple(texts))


# --- groups


@dataclass(frozen=True, slots=True)
class Gate:
    """How the ways of a group are reached and left: levels of x from its left edge to its right one."""

    start: int
    fork: int
    labels: int
    first: int
    exit: int


def _group(sized: SizedGroup, x: int, level: int, drop: int) -> Iterator[Shape]:
    """Place a frame and the ways in it; it reaches as far down as the lane that leads to it."""
    top = level - sized.up
    down = max(sized.down, drop + PAD) if sized.has_compensation else sized.down
    texts = tuple(
        Text(x + PAD, top + PAD + 6 + number * LINE, line, style) for number, (line, style) in enumerate(sized.head)
    )
    yield Frame(x=x, y=top, width=sized.width, height=sized.up + down, texts=texts)
    gate, turn = Gate(x, x + PAD, x + PAD + 6, x + PAD + sized.lead, x + sized.width), level
    if sized.choice is not None:
        diamond = _diamond(sized.choice, x + PAD, level - sized.choice.half)
        yield Line(((x, level), (diamond.x, level)), Stroke.FORWARD)
        yield diamond
        right, turn = diamond.x + diamond.width, diamond.y + diamond.height
        gate = Gate(right, diamond.middle[0], right + 6, right + sized.lead, gate.exit)
    for way, row, depth in zip(sized.group.ways, sized.rows, levels_of(sized.rows), strict=True):
        yield from _way(way, row, gate, (level, turn, level + depth))


def _way(way: Way, row: SizedRow, gate: Gate, levels: tuple[int, int, int]) -> Iterator[Shape]:
    """Place one way. `levels`: of the group's forward line, where it turns off from there, and of the way's own."""
    main, turn, level = levels
    begin = ((gate.start, level),) if level == main else ((gate.fork, turn), (gate.fork, level))
    last = gate.first + row.width
    if row.items:
        yield _arrow((*begin, (gate.first, level)), row.items[0])
        begin = ((last - row.items[-1].width + _right_of(row.items[-1]), level),)
    bus = gate.exit - PAD
    end = ((gate.exit, level),) if level == main else ((bus, level), (bus, main))
    yield Line((*begin, *end), Stroke.FORWARD, has_arrow=False)
    if way.label:
        yield Text(gate.labels, level - 6, way.label, Style.LABEL)
    if way.fate:
        yield Text(gate.labels, level + LINE - 2, way.fate, Style.BODY)
    yield from row_shapes(row, gate.first, level)
