"""The shop's journal: the orders that it placed and every outcome event that it received."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class ReceivedOutcome:
    """An outcome event as it was received; a copy of it carries the same message id."""

    order_id: str
    type: str
    message_id: str
    value: str


@dataclass(frozen=True, slots=True)
class Journal:
    """Orders by id, each with whether it needs a fraud review, and all outcome events in the order of their arrival."""

    placed: dict[str, bool] = field(default_factory=dict)
    outcomes: list[ReceivedOutcome] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Journal":
        """Return the journal in a file. Raises `ValueError` if it is none."""
        return _JOURNAL.validate_json(path.read_bytes())

    def write(self, path: Path) -> None:
        """Write all of it as JSON; the file appears whole or not at all."""
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_bytes(_JOURNAL.dump_json(self))
        unfinished.replace(path)


_JOURNAL: Final = TypeAdapter(Journal)
