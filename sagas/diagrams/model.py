"""What a picture of a saga says, before anything is placed: cards, the groups around them, the ways through those."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, Union


class CardKind(StrEnum):
    """What a card stands for."""

    START = "start"
    OUTCOME = "outcome"
    STEP = "step"
    PIVOT = "pivot"
    CHILD = "child"
    EACH = "each"
    RECEIVE = "receive"
    DELAY = "delay"
    CHOICE = "choice"
    UNDO = "undo"


class Mark(StrEnum):
    """How far something has come; each has an icon and a colour of its own."""

    AHEAD = "ahead"
    ASKED = "asked"
    WAITING = "waiting"
    DONE = "done"
    UNDONE = "undone"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CardState:
    """How far a card of an instance has come: a mark, the same in words, and what else is known, line by line."""

    mark: Mark
    words: str
    more: tuple[str, ...] = ()
    is_now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One box. `lines` belong to it in every picture, `details` only where there is room for them."""

    kind: CardKind
    name: str
    title: str
    lines: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    state: CardState | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A card of the forward lane and, beneath it, what undoes it."""

    card: Card
    undo: Card | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One way through a group: `label` says when it is taken, `fate` how it ended in an instance."""

    items: tuple[Item, ...]
    label: str = ""
    fate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A frame: the rule of what is in it in words, and the ways through it. `choice` is the question of a branch."""

    rule: str
    ways: tuple[Way, ...]
    choice: Card | None = None
    note: str = ""


Item: TypeAlias = Union[Cell, Group]  # noqa: UP007  an alias of forward names


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A whole picture: `begin` starts it and stands above the outcome of a saga that was undone, `end` completes it."""

    title: str
    summary: str
    notes: tuple[str, ...]
    begin: Cell
    items: tuple[Item, ...]
    end: Card
    has_states: bool


def cards_of(items: tuple[Item, ...]) -> Iterator[Card]:
    """Yield every card, in the order of the definition, an undo right behind its step."""
    for item in items:
        if isinstance(item, Cell):
            yield item.card
            if item.undo is not None:
                yield item.undo
            continue
        if item.choice is not None:
            yield item.choice
        for way in item.ways:
            yield from cards_of(way.items)
