"""A saga, and an instance on it, as an SVG picture: no script, nothing from elsewhere, the same text every time."""

from collections.abc import Iterator
from typing import Any, TypeVar, assert_never
from xml.sax.saxutils import escape, quoteattr

from pydantic import BaseModel

from saga_coordinator.sagas.diagrams.build import sketch
from saga_coordinator.sagas.diagrams.model import Card, Kind, Mark
from saga_coordinator.sagas.diagrams.svg.layout import picture
from saga_coordinator.sagas.diagrams.svg.look import CIRCLE, KIND_ICONS, MARK_ICONS, stylesheet
from saga_coordinator.sagas.diagrams.svg.measures import PAD
from saga_coordinator.sagas.diagrams.svg.shapes import Box, Frame, Line, Picture, Shape, Sign, Text
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine import Instance

D = TypeVar("D", bound=BaseModel)

_BADGE = 30


def svg(saga: Saga[Any, D], instance: Instance[D] | None = None) -> str:
    """Return the picture of a saga, with the state of each step when an instance is given."""
    return written(picture(sketch(saga, instance)))


def written(picture: Picture) -> str:
    """Return a picture as an SVG document."""
    size = f'width="{picture.width}" height="{picture.height}" viewBox="0 0 {picture.width} {picture.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="saga" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{_text(picture.title)}</title>',
        f'<desc id="desc">{_text(picture.summary)}</desc>',
        f"<style>\n{stylesheet()}\n</style>",
        "<defs>",
        *(_arrowhead(stroke) for stroke in ("forward", "back")),
        "</defs>",
        f'<rect class="paper" width="{picture.width}" height="{picture.height}"/>',
    ]
    for shape in picture.shapes:
        lines += _drawn(shape)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _drawn(shape: Shape) -> Iterator[str]:
    match shape:
        case Box():
            yield from _box(shape)
        case Frame():
            yield f'<rect class="frame" {_area(shape)} rx="10"/>'
            yield from map(_words, shape.texts)
        case Line():
            yield _line(shape)
        case Text():
            yield _words(shape)
        case Sign():
            yield from _sign(shape.mark, shape.x, shape.y)
        case _:
            assert_never(shape)


# --- boxes


def _box(box: Box) -> Iterator[str]:
    card = box.card
    classes = [card.kind.value]
    if card.state is not None:
        classes += [card.state.mark.value, *(["now"] if card.state.is_now else [])]
    yield f'<g class="{" ".join(classes)}" data-name={quoteattr(_clean(card.name))}>'
    yield f"<title>{_text(_told(card))}</title>"
    yield from _outline(box)
    if card.kind in KIND_ICONS:
        yield _glyph("glyph", KIND_ICONS[card.kind], box.x + PAD, box.y + PAD - 1)
    if card.state is not None and box.icon is not None:
        yield from _sign(card.state.mark, *box.icon)
        if card.state.is_now:
            yield from _badge(box)
    yield from map(_words, box.texts)
    yield "</g>"


def _outline(box: Box) -> Iterator[str]:
    """Draw the edge of a card, which tells its kind."""
    match box.card.kind:
        case Kind.CHOICE:
            x, y = box.middle
            right, bottom = box.x + box.width, box.y + box.height
            yield f'<path class="card" d="M{box.x} {y}L{x} {box.y}L{right} {y}L{x} {bottom}z"/>'
        case Kind.START | Kind.OUTCOME:
            yield f'<rect class="card" {_area(box)} rx="{min(box.height // 2, 22)}"/>'
        case Kind.CHILD:
            yield f'<rect class="card" {_area(box)} rx="5"/>'
            inner = f'x="{box.x + 4}" y="{box.y + 4}" width="{box.width - 8}" height="{box.height - 8}"'
            yield f'<rect class="card" {inner} rx="3"/>'
        case _:
            yield f'<rect class="card" {_area(box)} rx="5"/>'


def _badge(box: Box) -> Iterator[str]:
    """Write "now" into the upper right corner of what is under way."""
    x, y = box.x + box.width - _BADGE - 6, box.y + 8
    yield f'<g class="badge"><rect x="{x}" y="{y}" width="{_BADGE}" height="16" rx="3"/>'
    yield f'<text class="state" x="{x + 4}" y="{y + 12}">now</text></g>'


def _sign(mark: Mark, x: int, y: int) -> Iterator[str]:
    yield _glyph(f"icon icon-{mark}", CIRCLE + MARK_ICONS[mark], x, y)


def _glyph(classes: str, outline: str, x: int, y: int) -> str:
    return f'<path class="{classes}" transform="translate({x} {y})" d="{outline}"/>'


def _told(card: Card) -> str:
    """Tell a card in words: what a reader without eyes for it hears, and what a pointer shows."""
    told = f"{card.name}: {card.title}" if card.title != card.name else card.name
    return f"{told}, {card.state.words}" if card.state else told


# --- lines and texts


def _line(line: Line) -> str:
    way = "L".join(f"{x} {y}" for x, y in line.points)
    head = f' marker-end="url(#head-{line.stroke})"' if line.has_arrow else ""
    return f'<path class="line {line.stroke}" d="M{way}"{head}/>'


def _arrowhead(stroke: str) -> str:
    return (
        f'<marker id="head-{stroke}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="head-{stroke}" d="M0 0.5L10 5L0 9.5z"/></marker>'
    )


def _words(text: Text) -> str:
    anchor = ' text-anchor="end"' if text.is_end else ""
    return f'<text class="{text.style}" x="{text.x}" y="{text.y}"{anchor}>{_text(text.text)}</text>'


def _area(shape: Box | Frame) -> str:
    return f'x="{shape.x}" y="{shape.y}" width="{shape.width}" height="{shape.height}"'


def _text(text: str) -> str:
    return escape(_clean(text))


def _clean(text: str) -> str:
    """Replace what is no letter: control characters, which XML cannot hold, and marks that turn a text round."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
