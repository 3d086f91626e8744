"""A saga, and an instance on it, as a Mermaid flowchart.

Two lanes: forward from left to right, and beneath each step the compensation that undoes it. What a step of an
instance has come to stands in words and as a class; the words say it without the colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, assert_never, get_type_hints

from pydantic import BaseModel

from sagas.machine.definition import Saga
from sagas.machine.instance import Instance, Leg, Progress, Status
from sagas.machine.nodes import Alternatives, Branch, Delay, ForEach, Node, Parallel, Receive, Series, Step

D = TypeVar("D", bound=BaseModel)

Ends = tuple[tuple[str, str], ...]
"""Where a piece of the way ends: (id of a box, label of the arrow that leaves it)."""

_CLASSES = (
    "classDef asked fill:#dbeafe,stroke:#1d4ed8,color:#111",
    "classDef waiting fill:#fef3c7,stroke:#b45309,color:#111",
    "classDef done fill:#dcfce7,stroke:#15803d,color:#111",
    "classDef refused fill:#fee2e2,stroke:#b91c1c,color:#111",
    "classDef unknown fill:#f3e8ff,stroke:#7e22ce,color:#111",
    "classDef ahead fill:#fff,stroke:#9ca3af,color:#6b7280,stroke-dasharray:4",
)
_IN_WORDS = {
    Progress.ASKED: "awaiting an answer",
    Progress.WAITING: "will be asked again",
    Progress.REFUSED: "refused",
    Progress.UNKNOWN: "did not answer",
}


def mermaid(saga: Saga[Any, D], instance: Instance[D] | None = None) -> str:
    """Return the flowchart of a saga, with the state of each step when an instance is given."""
    drawing = _Drawing(instance)
    drawing.add("flowchart LR")
    drawing.depth = 1
    begin = drawing.cell(
        f'(["{_escaped(saga.starts_on.message_type)}"])',
        f'(["{_outcome(saga.on_compensated)}"])',
        _reached(instance, Status.COMPENSATED),
    )
    ends = drawing.sequence(saga.steps, ((begin, ""),))
    end = drawing.box(f'(["{_outcome(saga.on_completed)}"])', _reached(instance, Status.COMPLETED))
    drawing.join(ends, end)
    for line in _CLASSES if instance else ():
        drawing.add(line)
    return "\n".join(drawing.lines) + "\n"


@dataclass(slots=True)
class _Drawing(Generic[D]):
    """The lines so far; boxes are numbered in the order of the definition."""

    instance: Instance[D] | None
    lines: list[str] = field(default_factory=list)
    depth: int = 0
    boxes: int = 0

    def add(self, line: str) -> None:
        self.lines.append("  " * self.depth + line)

    def new_id(self) -> str:
        self.boxes += 1
        return f"n{self.boxes}"

    def box(self, shape: str, state: str = "") -> str:
        """Draw one box, and return its id."""
        id_ = self.new_id()
        self.add(id_ + shape + (f":::{state}" if state else ""))
        return id_

    def cell(self, forward: str, undo: str, undo_state: str = "", forward_state: str = "") -> str:
        """Draw a box with its way back beneath it, and return the id of both together."""
        id_ = self.open(" ", "TB")
        upper = self.box(forward, forward_state)
        lower = self.box(undo, undo_state)
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

    def sequence(self, nodes: tuple[Node[D], ...], ends: Ends) -> Ends:
        """Draw nodes one after the other, and return where the last one ends."""
        for node in nodes:
            ends = self.node(node, ends)
        return ends

    def node(self, node: Node[D], ends: Ends) -> Ends:  # noqa: C901  one arm for each kind of node
        match node:
            case Step():
                id_ = self.step(node)
                self.join(ends, id_)
                return ((id_, ""),)
            case Parallel():
                id_ = self.open("all at once", "TB")
                for member in node.nodes:
                    self.node(member, ())
                self.close()
                self.join(ends, id_)
                return ((id_, ""),)
            case Branch():
                return self.branch(node, ends)
            case Series():
                return self.sequence(node.nodes, ends)
            case ForEach():
                id_ = self.step(node.step)
                self.join(ends, id_)
                return ((id_, ""),)
            case Receive() | Delay():
                id_ = self.box(f'(["{node.name}"])')
                self.join(ends, id_)
                return ((id_, ""),)
            case Alternatives():
                id_ = self.open("one of", "TB")
                for member in node.nodes:
                    self.node(member, ())
                self.close()
                self.join(ends, id_)
                return ((id_, ""),)
            case _:
                assert_never(node)

    def step(self, step: Step[D]) -> str:
        run = self.instance.steps.get(step.name) if self.instance else None
        forward_state, forward_words = self.told(run.forward if run else None, "done", "not reached")
        words = ["pivot: no way back", *forward_words] if step.is_pivot else forward_words
        label = "<br/>".join((step.name, *words))
        forward = f'{{{{"{label}"}}}}' if step.is_pivot else f'["{label}"]'
        if step.compensate is None:
            return self.box(forward, forward_state)
        undo_state, undo_words = self.told(run.compensation if run else None, "undone", "not asked for")
        title = f"undo: {_escaped(step.compensate.__name__)}"
        return self.cell(forward, f'["{"<br/>".join((title, *undo_words))}"]', undo_state, forward_state)

    def told(self, leg: Leg | None, done: str, ahead: str) -> tuple[str, tuple[str, ...]]:
        """Return the class of a leg and the words for it; neither without an instance."""
        if self.instance is None:
            return "", ()
        if leg is None:
            return "ahead", (ahead,)
        words = done if leg.progress is Progress.DONE else _IN_WORDS[leg.progress]
        more = f", sent {leg.sendings} times" if leg.sendings > 1 else ""
        return leg.progress.value, (words + more,)

    def branch(self, branch: Branch[D], ends: Ends) -> Ends:
        """Draw the choice as a diamond, and both ways; the way that an instance took is marked."""
        chosen = self.instance.choices.get(branch.name) if self.instance else None
        diamond = self.box(f'{{"{_escaped(branch.name)}"}}')
        self.join(ends, diamond)
        taken = self.sequence(branch.nodes, ((diamond, _answer("yes", taken=chosen is True)),))
        return taken + self.sequence(branch.otherwise, ((diamond, _answer("no", taken=chosen is False)),))


def _answer(word: str, *, taken: bool) -> str:
    return f"{word}, taken" if taken else word


def _reached(instance: Instance[Any] | None, status: Status) -> str:
    """Return the class of an outcome."""
    if instance is None:
        return ""
    return "done" if instance.status is status else "ahead"


def _outcome(function: object) -> str:
    """Return the type of the event that a function makes, as its annotation says."""
    return _escaped(get_type_hints(function)["return"].message_type)


def _escaped(text: str) -> str:
    """Write text so that Mermaid takes it for text."""
    return "".join(_characters(text))


def _characters(text: str) -> Iterator[str]:
    for character in text:
        yield character if character.isalnum() or character in " .,:_-" else f"#{ord(character)};"
