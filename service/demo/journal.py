"""What the shop knows: the orders it placed and every outcome event it got, in memory and as JSON lines in a file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome event as it was received; a copy of it carries the same message id."""

    order_id: str
    type: str
    message_id: str
    value: str


@dataclass(frozen=True, slots=True)
class Journal:
    """Orders by id, each with whether it needs a fraud review, and all outcome events in the order of their arrival."""

    placed: dict[str, bool] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The journal that `write` left.

        Raises:
            ValueError: A line of the file is not one of a journal.
        """
        journal = cls()
        for text in path.read_text().splitlines():
            match json.loads(text):
                case {"order": order_id, "large": large}:
                    journal.placed[order_id] = large
                case {"outcome": [order_id, kind, message_id, value]}:
                    journal.outcomes.append(Outcome(order_id, kind, message_id, value))
                case other:
                    raise ValueError(f"{path}: this is no line of a journal: {other}")
        return journal

    def write(self, path: Path) -> None:
        """Write all of it; the file appears whole or not at all."""
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_text("".join(f"{line}\n" for line in self._lines()))
        unfinished.replace(path)

    def _lines(self) -> Iterator[str]:
        for order_id, large in self.placed.items():
            yield json.dumps({"order": order_id, "large": large})
        for each in self.outcomes:
            yield json.dumps({"outcome": [each.order_id, each.type, each.message_id, each.value]})
