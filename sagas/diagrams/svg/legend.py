"""The line beneath a picture that explains its arrows and, on an instance, its marks."""

from collections.abc import Iterator
from math import ceil

from saga_coordinator.sagas.diagrams.model import Mark, Sketch
from saga_coordinator.sagas.diagrams.svg.measures import LINE
from saga_coordinator.sagas.diagrams.svg.shapes import FACES, Line, Shape, Sign, Stroke, Style, Text

ARROWS: dict[Stroke | Mark, str] = {
    Stroke.FORWARD: "goes on",
    Stroke.BACK: "undoes, in reverse",
    Stroke.LINK: "is undone by",
    Stroke.PIVOT: "nothing is undone beyond",
}
MARKS: dict[Stroke | Mark, str] = {
    Mark.DONE: "done",
    Mark.ASKED: "awaiting an answer",
    Mark.WAITING: "waiting for a time or an event",
    Mark.REFUSED: "refused or given up",
    Mark.UNKNOWN: "did not answer",
    Mark.UNDONE: "undone",
    Mark.AHEAD: "not reached",
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
