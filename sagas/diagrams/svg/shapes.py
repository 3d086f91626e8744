"""What stands where in a picture: boxes, frames, lines and texts, in pixels from the upper left corner.

Texts are measured with the widths of DejaVu Sans, one of the widest faces that a viewer may fall back on: what fits in
it, fits.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from unicodedata import east_asian_width

from saga_coordinator.sagas.diagrams.model import Card, Mark

_REGULAR = (
    "32 40 46 84 64 95 78 28 39 39 50 84 32 36 32 34 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 54 "
    "100 69 69 70 77 64 58 78 76 30 30 66 56 87 75 79 61 79 70 64 62 74 69 99 69 62 69 39 34 39 84 50 "
    "50 62 64 55 64 62 36 64 64 28 28 58 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 34 64 84"
)
_BOLD = (
    "35 46 53 84 70 101 88 31 46 46 53 84 38 42 38 37 70 70 70 70 70 70 70 70 70 70 40 40 84 84 84 58 "
    "100 78 77 74 83 69 69 83 84 38 38 78 64 100 84 85 74 85 77 73 69 82 78 111 78 73 73 46 37 46 84 50 "
    "50 68 72 60 72 68 44 72 72 35 35 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 59 72 37 72 84"
)
_WIDTHS = {
    is_bold: {chr(32 + place): int(each) / 100 for place, each in enumerate(table.split())}
    for is_bold, table in ((False, _REGULAR), (True, _BOLD))
}
_WIDE, _OTHER = 1.05, 1.0
_PIECE = re.compile(r"(?:[^\s._/:-]|\.(?=v\d))*[\s._/:-]?")


@dataclass(frozen=True, slots=True)
class Face:
    """The size of letters in pixels, and their weight."""

    size: float
    is_bold: bool = False

    def width(self, text: str) -> float:
        return self.size * sum(map(self._letter, text))

    def broken(self, text: str, room: float) -> tuple[str, ...]:
        """Break a text into lines that fit into this many pixels: between words and parts of names, else anywhere."""
        lines = [""]
        for piece in _PIECE.findall(text):
            if self.width((lines[-1] + piece).rstrip()) <= room:
                lines[-1] += piece
                continue
            lines += [""] if lines[-1] else []
            for letter in piece:
                if self.width((lines[-1] + letter).rstrip()) > room and lines[-1]:
                    lines.append("")
                lines[-1] += letter
        return tuple(line.strip() for line in lines if line.strip())

    def _letter(self, letter: str) -> float:
        known = _WIDTHS[self.is_bold].get(letter)
        if known is not None:
            return known
        return _WIDE if east_asian_width(letter) in "WF" else _OTHER


class Style(StrEnum):
    """What a text is for, which decides how its letters look."""

    HEAD = "head"
    NOTE = "note"
    TITLE = "title"
    BODY = "body"
    STATE = "state"
    RULE = "rule"
    LABEL = "label"
    PIVOT = "no-return"


FACES = {
    Style.HEAD: Face(18, is_bold=True),
    Style.NOTE: Face(12),
    Style.TITLE: Face(13, is_bold=True),
    Style.BODY: Face(11),
    Style.STATE: Face(11, is_bold=True),
    Style.RULE: Face(11, is_bold=True),
    Style.LABEL: Face(11, is_bold=True),
    Style.PIVOT: Face(11, is_bold=True),
}


class Stroke(StrEnum):
    """What a line is for."""

    FORWARD = "forward"
    BACK = "back"
    LINK = "link"
    PIVOT = "pivot-line"


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; `x` is where it begins (or, `is_end`, where it ends), `y` the line that letters stand on."""

    x: int
    y: int
    text: str
    style: Style
    is_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A card in its place, or the diamond of a choice. `icon` is where the mark of its state goes."""

    card: Card
    x: int
    y: int
    width: int
    height: int
    texts: tuple[Text, ...]
    icon: tuple[int, int] | None = None

    @property
    def middle(self) -> tuple[int, int]:
        return self.x + self.width // 2, self.y + self.height // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The frame of a group, with its rule in words."""

    x: int
    y: int
    width: int
    height: int
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line from point to point, level or upright, with an arrowhead at its end or without one."""

    points: tuple[tuple[int, int], ...]
    stroke: Stroke
    has_arrow: bool = True


@dataclass(frozen=True, slots=True)
class Sign:
    """A mark that stands alone."""

    x: int
    y: int
    mark: Mark


Shape: TypeAlias = Box | Frame | Line | Text | Sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture: what stands behind comes first."""

    title: str
    summary: str
    width: int
    height: int
    shapes: tuple[Shape, ...]
