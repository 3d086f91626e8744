"""How much room everything needs: cards by their texts, rows and groups by what is in them.

Whatever stands in a row is measured from its forward line, the level at which arrows go from left to right: `up` is
the room above that line, `down` the room below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import TypeAlias, Union

from saga_coordinator.sagas.diagrams.model import Card, CardKind, Cell, Group, Item, Way
from saga_coordinator.sagas.diagrams.svg.shapes import FACES, Style

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
LANE_NAME = 18
PIVOT_STRIP = 22
PIVOT_MARGIN = 16
LEAD = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedCard:
    """A card with its texts broken into lines, each with its style."""

    card: Card
    lines: tuple[tuple[str, Style], ...]
    width: int
    height: int

    @property
    def half(self) -> int:
        """Half of its height, rounded up."""
        return ceil(self.height / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedCell:
    """A card and what undoes it."""

    card: SizedCard
    undo: SizedCard | None
    width: int
    up: int
    down: int

    @property
    def has_compensation(self) -> bool:
        """Return whether the compensation lane has something to do with it."""
        return self.undo is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedRow:
    """Neighbours in a row. `drop` is how far its compensation lane lies beneath its forward line, 0 if it has none."""

    items: tuple[SizedItem, ...]
    width: int
    up: int
    down: int
    drop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedGroup:
    """A group: its rule above, at its left the choice (if any) and room for the labels, then its ways as rows."""

    group: Group
    rows: tuple[SizedRow, ...]
    choice: SizedCard | None
    head: tuple[tuple[str, Style], ...]
    lead: int
    width: int
    up: int
    down: int

    @property
    def has_compensation(self) -> bool:
        """Return whether something in it is undone, or may turn the instance back."""
        return any(_has_compensation(each) for row in self.rows for each in row.items)


SizedItem: TypeAlias = Union[SizedCell, SizedGroup]  # noqa: UP007  an alias of forward names


def broken(text: str, style: Style, room: float) -> tuple[tuple[str, Style], ...]:
    """Break a text into lines of one style."""
    return tuple((line, style) for line in FACES[style].broken(text, room))


# --- cards


def size_card(card: Card) -> SizedCard:
    """Give a card the height that its texts need, all of which fit into its width."""
    if card.kind is CardKind.CHOICE:
        return _size_diamond(card)
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


# --- rows and groups


def size_item(item: Item) -> SizedItem:
    return _size_cell(item) if isinstance(item, Cell) else _size_group(item)


def _size_cell(cell: Cell) -> SizedCell:
    card = size_card(cell.card)
    is_pivot = cell.card.kind is CardKind.PIVOT
    return SizedCell(
        card=card,
        undo=size_card(cell.undo) if cell.undo else None,
        width=card.width + (PIVOT_MARGIN if is_pivot else 0),
        up=card.half + (PIVOT_STRIP if is_pivot else 0),
        down=card.half,
    )


def size_row(items: tuple[SizedItem, ...]) -> SizedRow:
    """Measure neighbours in a row: their undoes stand in one lane, beneath all that has none before the way back."""
    undo = max((each.undo.half for each in items if isinstance(each, SizedCell) and each.undo), default=0)
    last = max((place for place, each in enumerate(items) if _has_compensation(each)), default=-1)
    above = max(
        (each.down for each in items[: last + 1] if not (isinstance(each, SizedGroup) and each.has_compensation)),
        default=0,
    )
    drop = above + LANE_GAP + undo if last >= 0 else 0
    return SizedRow(
        items=items,
        width=sum(each.width for each in items) + GAP * max(0, len(items) - 1),
        up=max((each.up for each in items), default=PAD),
        down=max(drop + max(undo, PAD), *(each.down for each in items), PAD),
        drop=drop,
    )


def _has_compensation(item: SizedItem) -> bool:
    return item.has_compensation or (isinstance(item, SizedCell) and item.card.card.kind is CardKind.PIVOT)


def _size_group(group: Group) -> SizedGroup:
    choice = size_card(group.choice) if group.choice else None
    least = choice.half if choice else 0
    rows = tuple(_size_way(way, 0 if number else least) for number, way in enumerate(group.ways))
    lead = ceil(max(_label_width(way) for way in group.ways)) + LEAD
    inner = max(row.width for row in rows) + lead + 2 * PAD + PAD + (choice.width if choice else 0)
    head = broken(group.rule, Style.RULE, max(inner, RULE) - 2 * PAD)
    head += broken(group.note, Style.BODY, max(inner, RULE) - 2 * PAD)
    widest = max((FACES[style].width(line) for line, style in head), default=0)
    return SizedGroup(
        group=group,
        rows=rows,
        choice=choice,
        head=head,
        lead=lead,
        width=max(inner, ceil(widest) + 2 * PAD),
        up=PAD + LINE * len(head) + rows[0].up,
        down=levels_of(rows)[-1] + rows[-1].down + PAD,
    )


def _size_way(way: Way, least: int) -> SizedRow:
    """Measure a way; it takes at least so much room up and down."""
    row = size_row(tuple(size_item(each) for each in way.items))
    return replace(row, up=max(row.up, least), down=max(row.down, least))


def levels_of(rows: tuple[SizedRow, ...]) -> tuple[int, ...]:
    """Return how far the forward line of each way of a group lies beneath that of the first."""
    levels = [0]
    for above, row in pairwise(rows):
        levels.append(levels[-1] + above.down + WAY_GAP + row.up)
    return tuple(levels)


def _label_width(way: Way) -> float:
    return max(FACES[Style.LABEL].width(way.label), FACES[Style.BODY].width(way.fate))
