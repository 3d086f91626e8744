"""The tiles of a picture: each is measured by its texts and by what is in it, and draws itself where it is put.

Whatever stands in a row is measured from its forward line, the level at which arrows go from left to right: `up` is
the room above that line, `down` the room below it. A row's compensation lane runs from right to left beneath its
forward line. The frame of a group is one thing in both lanes of its row. A pivot has a line at its right: what stands
beyond it is not undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from saga_coordinator.sagas.diagrams.model import Card, CardKind, Cell, Group, Item, Way
from saga_coordinator.sagas.diagrams.svg.shapes import FACES, Box, Frame, Line, Shape, Stroke, Style, Text

CARD = 200
"""The width of a card: all have the same, so that lanes look like lanes."""

RULE = 320
"""How wide the frame of a group may be made for its rule."""

PAD = 12
LINE = 16
GAP = 40
"""Between neighbours in a row: the room of an arrow."""

LANE_GAP = 34
"""Between the forward lane of a row and its compensation lane."""

WAY_GAP = 26
ICON = 20
NOW = 34
PIVOT_STRIP = 22
PIVOT_MARGIN = 16
LEAD = 30
NO_RETURN = "point of no return"

Lines = tuple[tuple[str, Style], ...]
"""A text in lines, each with its style."""


def broken(text: str, style: Style, room: float) -> Lines:
    """Break a text into lines of one style."""
    return tuple((line, style) for line in FACES[style].broken(text, room))


# --- cards


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedCard:
    """A card with its texts broken into lines."""

    card: Card
    lines: Lines
    width: int
    height: int

    @property
    def half(self) -> int:
        """Half of its height, rounded up."""
        return ceil(self.height / 2)

    def box(self, x: int, y: int) -> Box:
        """Return the card in its place, with its lines of text in it."""
        texts, icon, base = [], None, y + PAD + 10
        has_icon = self.card.kind not in {CardKind.START, CardKind.OUTCOME, CardKind.STEP}
        is_state = False
        for line, style in self.lines:
            if style is Style.STATE and icon is None:
                icon, is_state = (x + PAD, base - 11), True
            indent = ICON if is_state or (style is Style.TITLE and has_icon) else 0
            texts.append(Text(x + PAD + indent, base, line, style))
            base += LINE
        return Box(card=self.card, x=x, y=y, width=self.width, height=self.height, texts=tuple(texts), icon=icon)

    def diamond(self, x: int, y: int) -> Box:
        """Return the question of a choice in its place."""
        base = y + (self.height - LINE * len(self.lines)) // 2 + 12
        texts = [
            Text(ceil(x + (self.width - FACES[style].width(line)) / 2), base + number * LINE, line, style)
            for number, (line, style) in enumerate(self.lines)
        ]
        return Box(card=self.card, x=x, y=y, width=self.width, height=self.height, texts=tuple(texts))


def _size_card(card: Card) -> SizedCard:
    """Give a card the height that its texts need, all of which fit into its width."""
    room = CARD - 2 * PAD
    is_now = card.state is not None and card.state.is_now
    lines = broken(card.title, Style.TITLE, room - ICON - (NOW if is_now else 0))
    for line in (*card.lines, *card.details):
        lines += broken(line, Style.BODY, room)
    if card.state is not None:
        lines += broken(card.state.words, Style.STATE, room - ICON)
        for line in card.state.more:
            lines += broken(line, Style.BODY, room - ICON)
    return SizedCard(card=card, lines=lines, width=CARD, height=2 * PAD + LINE * len(lines) - 4)


def _size_diamond(card: Card) -> SizedCard:
    """Make a diamond twice as wide and as high as its text: just so the corners of the text touch its sides."""
    lines = broken(card.title, Style.LABEL, 110)
    width = max(FACES[style].width(line) for line, style in lines)
    return SizedCard(card=card, lines=lines, width=2 * ceil(width) + 8, height=2 * LINE * len(lines) + 8)


# --- rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A cell or a group in a row.

    `exit` is where its arrow leaves it, from its left edge. `card` and `undo` are those of a cell, `is_undone` whether
    it has something in the compensation lane. `draw` yields its shapes from `x` on, in a row at a level.
    """

    width: int
    up: int
    down: int
    exit: int
    is_undone: bool
    draw: Callable[[int, int, TileRow], Iterator[Shape]]
    card: SizedCard | None = None
    undo: SizedCard | None = None

    @property
    def is_pivot(self) -> bool:
        return self.card is not None and self.card.card.kind is CardKind.PIVOT


@dataclass(frozen=True, slots=True, kw_only=True)
class TileRow:
    """Neighbours in a row. `drop` is how far its compensation lane lies beneath its forward line, 0 if it has none."""

    tiles: tuple[Tile, ...]
    width: int
    up: int
    down: int
    drop: int

    def draw(self, x: int, level: int) -> Iterator[Shape]:
        """Place the row from `x` on, with its forward line at `level`: its lines first, so that they lie behind."""
        placed = []
        for tile in self.tiles:
            placed.append((tile, x))
            x += tile.width + GAP
        for (tile, left), (following, next_left) in pairwise(placed):
            yield _arrow(((left + tile.exit, level), (next_left, level)), following)
        if self.drop:
            yield from _back_lines(placed, level, level + self.drop)
        for tile, left in placed:
            yield from tile.draw(left, level, self)


def row_of(tiles: tuple[Tile, ...]) -> TileRow:
    """Measure neighbours in a row: their undoes stand in one lane, beneath all that has none before the way back."""
    undo = max((each.undo.half for each in tiles if each.undo), default=0)
    last = max((place for place, each in enumerate(tiles) if each.is_undone or each.is_pivot), default=-1)
    above = max((each.down for each in tiles[: last + 1] if each.card or not each.is_undone), default=0)
    drop = above + LANE_GAP + undo if last >= 0 else 0
    return TileRow(
        tiles=tiles,
        width=sum(each.width for each in tiles) + GAP * max(0, len(tiles) - 1),
        up=max((each.up for each in tiles), default=PAD),
        down=max(drop + max(undo, PAD), *(each.down for each in tiles), PAD),
        drop=drop,
    )


def _arrow(points: tuple[tuple[int, int], ...], to: Tile) -> Line:
    """Draw an arrow to a card, or a line to a frame, where it continues."""
    return Line(points, Stroke.FORWARD, has_arrow=to.card is not None)


def _back_lines(placed: list[tuple[Tile, int]], level: int, lane: int) -> Iterator[Line]:
    """Draw the way back: from a pivot that refuses, or the last undo, from one undo to that before it."""
    start: tuple[tuple[int, int], ...] = ()
    for tile, left in reversed(placed):
        if tile.card is not None and tile.is_pivot:
            middle = left + CARD // 2
            start = ((middle, level + tile.card.height // 2), (middle, lane))
        elif tile.is_undone:
            if start:
                yield Line((*start, (left + tile.exit, lane)), Stroke.BACK)
            start = ((left, lane),)


# --- cells and groups


def tile_of(item: Item) -> Tile:
    return _cell(item) if isinstance(item, Cell) else _group(item)


def _cell(cell: Cell) -> Tile:
    card, undo = _size_card(cell.card), _size_card(cell.undo) if cell.undo else None
    is_pivot = cell.card.kind is CardKind.PIVOT

    def draw(x: int, level: int, row: TileRow) -> Iterator[Shape]:
        if undo is not None:
            middle, top = x + CARD // 2, level + row.drop - undo.half
            if cell.card.kind is not CardKind.START:
                yield Line(((middle, level - card.half + card.height), (middle, top)), Stroke.LINK, has_arrow=False)
            yield undo.box(x, top)
        yield card.box(x, level - card.half)
        if is_pivot:
            line = x + CARD + PIVOT_MARGIN
            yield Line(((line, level - row.up), (line, level + row.down)), Stroke.PIVOT, has_arrow=False)
            yield Text(line - 6, level - card.half - PIVOT_STRIP + LINE - 4, NO_RETURN, Style.PIVOT, is_end=True)

    return Tile(
        width=CARD + (PIVOT_MARGIN if is_pivot else 0),
        up=card.half + (PIVOT_STRIP if is_pivot else 0),
        down=card.half,
        exit=CARD,
        is_undone=undo is not None,
        draw=draw,
        card=card,
        undo=undo,
    )


def _group(group: Group) -> Tile:
    """Measure a group: its rule above, at its left the choice (if any) and room for the labels, then its ways as rows.

    Its frame reaches as far down as the lane that leads to it.
    """
    choice = _size_diamond(group.choice) if group.choice else None
    rows = tuple(_way_row(way, choice.half if choice and not number else 0) for number, way in enumerate(group.ways))
    lead = ceil(max(_label_width(way) for way in group.ways)) + LEAD
    inner = max(row.width for row in rows) + lead + 3 * PAD + (choice.width if choice else 0)
    head = broken(group.rule, Style.RULE, max(inner, RULE) - 2 * PAD)
    head += broken(group.note, Style.BODY, max(inner, RULE) - 2 * PAD)
    widest = max((FACES[style].width(line) for line, style in head), default=0)
    width, up, depths = max(inner, ceil(widest) + 2 * PAD), PAD + LINE * len(head) + rows[0].up, _depths(rows)
    down = depths[-1] + rows[-1].down + PAD
    is_undone = any(each.is_undone or each.is_pivot for row in rows for each in row.tiles)

    def draw(x: int, level: int, row: TileRow) -> Iterator[Shape]:
        top, reach = level - up, max(down, row.drop + PAD) if is_undone else down
        texts = tuple(Text(x + PAD, top + PAD + 6 + n * LINE, *each) for n, each in enumerate(head))
        yield Frame(x=x, y=top, width=width, height=up + reach, texts=texts)
        gate = _Gate(start=x, fork=(x + PAD, level), inside=x + PAD, lead=lead, exit=x + width)
        if choice is not None:
            diamond = choice.diamond(x + PAD, level - choice.half)
            yield Line(((x, level), (diamond.x, level)), Stroke.FORWARD)
            yield diamond
            right, fork = diamond.x + diamond.width, (diamond.middle[0], diamond.y + diamond.height)
            gate = replace(gate, start=right, fork=fork, inside=right)
        for way, inner_row, depth in zip(group.ways, rows, depths, strict=True):
            yield from _draw_way(way, inner_row, gate, level, level + depth)

    return Tile(width=width, up=up, down=down, exit=width, is_undone=is_undone, draw=draw)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gate:
    """How the ways of a group are reached and left: straight from `start`, or down from `fork`, to its right edge."""

    start: int
    fork: tuple[int, int]
    inside: int
    lead: int
    exit: int


def _draw_way(way: Way, row: TileRow, gate: _Gate, main: int, level: int) -> Iterator[Shape]:
    """Place one way: `main` is the level of the group's forward line, `level` that of the way's own."""
    begin = ((gate.start, level),) if level == main else (gate.fork, (gate.fork[0], level))
    first, labels = gate.inside + gate.lead, gate.inside + 6
    if row.tiles:
        yield _arrow((*begin, (first, level)), row.tiles[0])
        begin = ((first + row.width - row.tiles[-1].width + row.tiles[-1].exit, level),)
    bus = gate.exit - PAD
    end = ((gate.exit, level),) if level == main else ((bus, level), (bus, main))
    yield Line((*begin, *end), Stroke.FORWARD, has_arrow=False)
    if way.label:
        yield Text(labels, level - 6, way.label, Style.LABEL)
    if way.fate:
        yield Text(labels, level + LINE - 2, way.fate, Style.BODY)
    yield from row.draw(first, level)


def _way_row(way: Way, least: int) -> TileRow:
    """Measure a way; it takes at least so much room up and down."""
    row = row_of(tuple(tile_of(each) for each in way.items))
    return replace(row, up=max(row.up, least), down=max(row.down, least))


def _depths(rows: tuple[TileRow, ...]) -> tuple[int, ...]:
    """Return how far the forward line of each way of a group lies beneath that of the first."""
    depths = [0]
    for above, row in pairwise(rows):
        depths.append(depths[-1] + above.down + WAY_GAP + row.up)
    return tuple(depths)


def _label_width(way: Way) -> float:
    return max(FACES[Style.LABEL].width(way.label), FACES[Style.BODY].width(way.fate))
