"""What stands where in a picture: boxes, frames, lines and texts, in pixels from the upper left corner."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from saga_coordinator.sagas.diagrams.model import Card, Mark
from saga_coordinator.sagas.diagrams.svg.letters import Face


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

    @property
    def left(self) -> float:
        """Where it begins."""
        return self.x - self.width if self.is_end else self.x

    @property
    def width(self) -> float:
        """How wide it is."""
        return FACES[self.style].width(self.text)


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
        """Where its middle is."""
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
