"""A checkout of the sources whose service is measured: this one, or another that this one is compared with.

What both have is the command `saga serve` and its settings in variables, and what the service does on Kafka. So only
the service is the other's: broker, orders, participants and collector are this checkout's for both, and the other may
be of any age. The intake without Kafka uses the handlers themselves, and each checkout drives its own
(`tests/bench/intake_process.py`), with the records that this one has recorded; the other must have that program too.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from saga_coordinator.service.errors import NotReady

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the sources are, and the interpreter that has them installed."""

    name: str
    path: Path
    python: Path

    @classmethod
    def here(cls) -> Self:
        return cls("here", ROOT, Path(sys.executable))

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the checkout in a folder. Raises `NotReady` if it was not set up."""
        python = path.resolve() / ".venv/bin/python"
        if not (python.parent / "saga").exists():
            raise NotReady(f"{path} has no .venv/bin/saga: run `make setup` there, and compare again")
        return cls("there", path.resolve(), python)

    @property
    def serve(self) -> tuple[str, ...]:
        """The command that starts the service."""
        return (str(self.python.parent / "saga"), "serve")

    def module(self, name: str) -> tuple[str, ...]:
        """Return the command that runs a module of the checkout. Raises `NotReady` if there is none."""
        path = self.path / name.replace(".", "/")
        if not (path.with_suffix(".py").exists() or (path / "__main__.py").exists()):
            raise NotReady(f"{self.path} has no {name}: it is older than this measurement")
        return (str(self.python), "-m", name)
