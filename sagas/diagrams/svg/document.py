"""A saga, and an instance on it, as an SVG picture: no script, nothing from elsewhere, the same text every time."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, assert_never

from saga_coordinator.sagas.diagrams.build import sketch
from saga_coordinator.sagas.diagrams.model import Card, CardKind, Mark
from saga_coordinator.sagas.diagrams.svg.elements import element, path
from saga_coordinator.sagas.diagrams.svg.layout import picture
from saga_coordinator.sagas.diagrams.svg.shapes import Box, Frame, Line, Picture, Shape, Sign, Text
from saga_coordinator.sagas.diagrams.svg.stylesheet import CIRCLE, KIND_ICONS, MARK_ICONS, stylesheet
from saga_coordinator.sagas.diagrams.svg.tiles import PAD
from saga_coordinator.sagas.language.nodes import D
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine import Instance

_BADGE = 30


def svg(saga: Saga[Any, D], instance: Instance[D] | None = None) -> str:
    """Return the picture of a saga, with the state of each step when an instance is given."""
    return written(picture(sketch(saga, instance)))


def written(picture: Picture) -> str:
    size = f'width="{picture.width}" height="{picture.height}" viewBox="0 0 {picture.width} {picture.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="saga" {size} role="img" aria-labelledby="title desc">',
        element("title", picture.title, id="title"),
        element("desc", picture.summary, id="desc"),
        f"<style>\n{stylesheet()}\n</style>",
        "<defs>",
        *(_arrowhead(stroke) for stroke in ("forward", "back")),
        "</defs>",
        element("rect", class_="paper", width=picture.width, height=picture.height),
    ]
    for shape in picture.shapes:
        lines += _drawn(shape)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _drawn(shape: Shape) -> Iterator[str]:
    match shape:
        case Box():
            yield from _box(shape)
        case Frame():
            yield _rect(shape, "frame", 10)
            yield from map(_text, shape.texts)
        case Line():
            head = f"url(#head-{shape.stroke})" if shape.has_arrow else None
            yield element("path", class_=f"line {shape.stroke}", d=path(shape.points), marker_end=head)
        case Text():
            yield _text(shape)
        case Sign():
            yield _sign(shape.mark, shape.x, shape.y)
        case _:
            assert_never(shape)


def _box(box: Box) -> Iterator[str]:
    card = box.card
    classes = [card.kind.value]
    if card.state is not None:
        classes += [card.state.mark.value, *(["now"] if card.state.is_now else [])]
    yield element("g", class_=" ".join(classes), data_name=card.name).replace("/>", ">")
    yield element("title", _title(card))
    yield from _outline(box)
    if card.kind in KIND_ICONS:
        yield _glyph("glyph", KIND_ICONS[card.kind], box.x + PAD, box.y + PAD - 1)
    if card.state is not None and box.icon is not None:
        yield _sign(card.state.mark, *box.icon)
        if card.state.is_now:
            yield _badge(box)
    yield from map(_text, box.texts)
    yield "</g>"


def _outline(box: Box) -> Iterator[str]:
    """Draw the edge of a card, which shows its kind."""
    match box.card.kind:
        case CardKind.CHOICE:
            x, y = box.middle
            corners = ((box.x, y), (x, box.y), (box.x + box.width, y), (x, box.y + box.height))
            yield element("path", class_="card", d=f"{path(corners)}z")
        case CardKind.START | CardKind.OUTCOME:
            yield _rect(box, "card", min(box.height // 2, 22))
        case CardKind.CHILD:
            yield _rect(box, "card", 5)
            yield _rect(replace(box, x=box.x + 4, y=box.y + 4, width=box.width - 8, height=box.height - 8), "card", 3)
        case _:
            yield _rect(box, "card", 5)


def _badge(box: Box) -> str:
    """Write "now" into the upper right corner of what is in progress."""
    x, y = box.x + box.width - _BADGE - 6, box.y + 8
    area = element("rect", x=x, y=y, width=_BADGE, height=16, rx=3)
    return f'<g class="badge">{area}\n{element("text", "now", class_="state", x=x + 4, y=y + 12)}</g>'


def _sign(mark: Mark, x: int, y: int) -> str:
    return _glyph(f"icon icon-{mark}", CIRCLE + MARK_ICONS[mark], x, y)


def _glyph(classes: str, outline: str, x: int, y: int) -> str:
    return element("path", class_=classes, transform=f"translate({x} {y})", d=outline)


def _title(card: Card) -> str:
    """Return a card in words, for screen readers and for the pointer."""
    title = f"{card.name}: {card.title}" if card.title != card.name else card.name
    return f"{title}, {card.state.words}" if card.state else title


def _rect(area: Box | Frame, class_: str, rx: int) -> str:
    return element("rect", class_=class_, x=area.x, y=area.y, width=area.width, height=area.height, rx=rx)


def _text(text: Text) -> str:
    anchor = "end" if text.is_end else None
    return element("text", text.text, class_=text.style, x=text.x, y=text.y, text_anchor=anchor)


def _arrowhead(stroke: str) -> str:
    return (
        f'<marker id="head-{stroke}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path class="head-{stroke}" d="M0 0.5L10 5L0 9.5z"/></marker>'
    )
