"""Lays out a whole picture: title and notes, the lanes of the saga, and the legend that explains them."""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from saga_coordinator.sagas.diagrams.model import Cell, Mark, Sketch
from saga_coordinator.sagas.diagrams.svg.shapes import FACES, Line, Picture, Shape, Sign, Stroke, Style, Text
from saga_coordinator.sagas.diagrams.svg.tiles import LINE, TileRow, broken, row_of, tile_of
from saga_coordinator.sagas.machine import Direction, Progress
from saga_coordinator.sagas.words import NOT_REACHED, describe_command

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
MARGIN = 24
MIN_WIDTH = 560
LANE_NAME = 18


def picture(sketch: Sketch) -> Picture:
    begin, *others = map(tile_of, (sketch.begin, *sketch.items, Cell(sketch.end)))
    row = row_of((replace(begin, up=begin.up + LANE_NAME), *others))
    width = max(row.width + 2 * MARGIN, MIN_WIDTH)
    head = _head(sketch, width - 2 * MARGIN)
    level = head[-1].y + LINE + row.up
    shapes: list[Shape] = [*head, *_lane_names(row, level), *row.draw(MARGIN, level)]
    explained = tuple(legend(sketch, MARGIN, level + row.down + 2 * LINE, width - 2 * MARGIN))
    bottom = max(shape.y for shape in explained if isinstance(shape, Text))
    return Picture(
        title=sketch.title,
        summary=sketch.summary,
        width=width,
        height=bottom + MARGIN,
        shapes=(*shapes, *explained),
    )


def _head(sketch: Sketch, room: int) -> list[Text]:
    y, texts = MARGIN + LINE, []
    for line, style in broken(sketch.title, Style.HEAD, room):
        texts.append(Text(MARGIN, y, line, style))
        y += LINE + 6
    for note in sketch.notes:
        for line, style in broken(note, Style.NOTE, room):
            texts.append(Text(MARGIN, y, line, style))
            y += LINE + 2
    return texts


def _lane_names(row: TileRow, level: int) -> Iterator[Text]:
    """Name the two lanes at their left ends."""
    begin = row.tiles[0]
    if begin.card is not None and begin.undo is not None:
        yield Text(MARGIN, level - begin.card.half - 6, "forward", Style.LABEL)
        yield Text(MARGIN, level + row.drop - begin.undo.half - 6, "compensation", Style.LABEL)


ARROWS: dict[Stroke | Mark, str] = {
    Stroke.FORWARD: "continues",
    Stroke.BACK: "undoes, in reverse",
    Stroke.LINK: "is undone by",
    Stroke.PIVOT: "nothing is undone beyond",
}
MARKS: dict[Stroke | Mark, str] = {
    Mark.DONE: describe_command(Progress.DONE, FORWARD),
    Mark.ASKED: describe_command(Progress.ASKED, FORWARD),
    Mark.WAITING: "waiting for a time or an event",
    Mark.REFUSED: "refused or given up",
    Mark.UNKNOWN: describe_command(Progress.UNKNOWN, FORWARD),
    Mark.UNDONE: describe_command(Progress.DONE, COMPENSATION),
    Mark.AHEAD: NOT_REACHED,
}
_SAMPLE, _SPACE, _ROW = 30, 22, 24


def legend(sketch: Sketch, x: int, y: int, room: int) -> Iterator[Shape]:
    """Explain one after the other, in as many lines as it takes."""
    left = x
    for what, words in (ARROWS | (MARKS if sketch.has_states else {})).items():
        width = _SAMPLE + 6 + ceil(FACES[Style.BODY].width(words))
        if left > x and left + width > x + room:
            left, y = x, y + _ROW
        if isinstance(what, Stroke):
            yield _sample(what, left, y)
        else:
            yield Sign(left + _SAMPLE - LINE, y - 11, what)
        yield Text(left + _SAMPLE + 6, y, words, Style.BODY)
        left += width + _SPACE


def _sample(stroke: Stroke, x: int, y: int) -> Line:
    """Draw a short line of a kind, in its usual direction."""
    has_arrow = stroke in {Stroke.FORWARD, Stroke.BACK}
    match stroke:
        case Stroke.FORWARD:
            points = ((x, y - 4), (x + _SAMPLE, y - 4))
        case Stroke.BACK:
            points = ((x + _SAMPLE, y - 4), (x, y - 4))
        case _:
            points = ((x + _SAMPLE // 2, y - 13), (x + _SAMPLE // 2, y + 5))
    return Line(points, stroke, has_arrow)
