"""A saga, and an instance on it, as a Mermaid flowchart.

Forward from left to right, and beneath each step the compensation that undoes it. What a step of an instance has come
to stands in words and as a class; the words say it without the colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from saga_coordinator.sagas.diagrams.build import sketch
from saga_coordinator.sagas.diagrams.model import Card, CardKind, Cell, Group, Item, Sketch, Way
from saga_coordinator.sagas.language.nodes import D
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine import Instance

Ends = tuple[tuple[str, str], ...]
"""Where a piece of the way ends: (id of a box, label of the arrow that leaves it)."""

_CLASSES = (
    "classDef asked fill:#dbeafe,stroke:#1d4ed8,color:#111",
    "classDef waiting fill:#fef3c7,stroke:#b45309,color:#111",
    "classDef done fill:#dcfce7,stroke:#15803d,color:#111",
    "classDef undone fill:#f1f5f9,stroke:#334155,color:#111",
    "classDef refused fill:#fee2e2,stroke:#b91c1c,color:#111",
    "classDef unknown fill:#f3e8ff,stroke:#7e22ce,color:#111",
    "classDef ahead fill:#fff,stroke:#9ca3af,color:#4b5563,stroke-dasharray:4",
    "classDef now stroke-width:4px",
)
_SHAPES = {
    CardKind.START: ('(["', '"])'),
    CardKind.OUTCOME: ('(["', '"])'),
    CardKind.PIVOT: ('{{"', '"}}'),
    CardKind.CHILD: ('[["', '"]]'),
    CardKind.RECEIVE: ('>"', '"]'),
    CardKind.DELAY: ('("', '")'),
    CardKind.CHOICE: ('{"', '"}'),
}
_BOX = ('["', '"]')


def mermaid(saga: Saga[Any, D], instance: Instance[D] | None = None) -> str:
    """Return the flowchart of a saga, with the state of each step when an instance is given."""
    return drawn(sketch(saga, instance))


def drawn(picture: Sketch) -> str:
    drawing = _Drawing()
    drawing.add("flowchart LR")
    drawing.depth = 1
    begin = drawing.cell(picture.begin)
    ends = drawing.sequence(picture.items, ((begin, ""),))
    end = drawing.box(picture.end)
    drawing.join(ends, end)
    for line in _CLASSES if picture.has_states else ():
        drawing.add(line)
    if drawing.under_way:
        drawing.add(f"class {','.join(drawing.under_way)} now")
    return "\n".join(drawing.lines) + "\n"


@dataclass(slots=True)
class _Drawing:
    """The lines so far; boxes are numbered in the order of the definition."""

    lines: list[str] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    depth: int = 0
    boxes: int = 0

    def add(self, line: str) -> None:
        self.lines.append("  " * self.depth + line)

    def new_id(self) -> str:
        self.boxes += 1
        return f"n{self.boxes}"

    def box(self, card: Card) -> str:
        """Draw one box, and return its id."""
        id_ = self.new_id()
        opening, closing = _SHAPES.get(card.kind, _BOX)
        text = "<br/>".join(_escaped(line) for line in _lines_of(card))
        self.add(f"{id_}{opening}{text}{closing}" + (f":::{card.state.mark}" if card.state else ""))
        if card.state is not None and card.state.is_now:
            self.under_way.append(id_)
        return id_

    def cell(self, cell: Cell) -> str:
        """Draw a box, with its way back beneath it if it has one, and return the id of both together."""
        if cell.undo is None:
            return self.box(cell.card)
        id_ = self.open(" ", "TB")
        upper = self.box(cell.card)
        lower = self.box(cell.undo)
        self.add(f"{upper} -.- {lower}")
        self.close()
        return id_

    def open(self, title: str, direction: str) -> str:
        id_ = self.new_id()
        self.add(f'subgraph {id_}["{title}"]')
        self.depth += 1
        self.add(f"direction {direction}")
        return id_

    def close(self) -> None:
        self.depth -= 1
        self.add("end")

    def join(self, ends: Ends, to: str) -> None:
        for id_, label in ends:
            self.add(f'{id_} -->|"{label}"| {to}' if label else f"{id_} --> {to}")

    def sequence(self, items: tuple[Item, ...], ends: Ends) -> Ends:
        """Draw one after the other, and return where the last one ends."""
        for item in items:
            if isinstance(item, Cell):
                id_ = self.cell(item)
            elif item.choice is not None:
                ends = self.branch(item, item.choice, ends)
                continue
            else:
                id_ = self.group(item)
            self.join(ends, id_)
            ends = ((id_, ""),)
        return ends

    def branch(self, group: Group, choice: Card, ends: Ends) -> Ends:
        """Draw the choice as a diamond, and both ways; the way that an instance took is marked."""
        diamond = self.box(choice)
        self.join(ends, diamond)
        done: Ends = ()
        for way in group.ways:
            done += self.sequence(way.items, ((diamond, _label(way)),))
        return done

    def group(self, group: Group) -> str:
        """Draw a frame with its rule, and each way through it."""
        id_ = self.open(_escaped(f"{group.rule} ({group.note})" if group.note else group.rule), "TB")
        for way in group.ways:
            self.way(way)
        self.close()
        return id_

    def way(self, way: Way) -> None:
        """Draw one way through a frame; one of several boxes, or with a label, in a frame of its own."""
        if len(way.items) == 1 and not way.label:
            self.sequence(way.items, ())
            return
        self.open(_label(way) or " ", "LR")
        self.sequence(way.items, ())
        self.close()


def _label(way: Way) -> str:
    return _escaped(", ".join(filter(None, (way.label, way.fate))))


def _lines_of(card: Card) -> Iterator[str]:
    yield f"undo: {card.title}" if card.kind is CardKind.UNDO else card.title
    yield from card.lines
    if card.state is not None and card.kind is not CardKind.START and card.kind is not CardKind.OUTCOME:
        yield f"now: {card.state.words}" if card.state.is_now else card.state.words
        yield from card.state.more if card.state.is_now or card.kind is CardKind.EACH else ()


def _escaped(text: str) -> str:
    """Write text so that Mermaid takes it for text."""
    return "".join(each if each.isalnum() or each in " .,:_-" else f"#{ord(each)};" for each in text)
