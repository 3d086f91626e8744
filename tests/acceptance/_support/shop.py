"""The shop as a program: places orders on Kafka, and ends well when each has had exactly one outcome."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from saga_coordinator.service.demo.journal import Journal
from tests.acceptance._support.processes import Program, demo

SETTLE_S: Final = 0.5


class Shop(Program):
    """`options` are those of the demo's shop; its journal and its log are called after `name`.

    Without `orders` it places them until `close`: what a test does to the service, it does under load.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap_servers: str,
        *,
        mix: Mapping[str, object],
        name: str = "shop",
        **options: Any,  # noqa: ANN401  as many kinds as there are options
    ) -> None:
        self._journal: Final = folder / f"{name}.jsonl"
        given = {"settle": SETTLE_S, "mix": json.dumps(mix), "journal": self._journal} | options
        words = [word for option, value in given.items() for word in (f"--{option}", str(value))]
        super().__init__(demo("load", bootstrap_servers, *words), folder / f"{name}.log", {})

    def close(self, within: float) -> None:
        """Let it place no more orders, and see each that it has placed end once."""
        self.send(signal.SIGTERM)
        self.ends(within)

    def ends(self, within: float) -> None:
        """See each of its orders end once."""
        assert self.ended(within) == 0, self.log

    @property
    def journal(self) -> Journal:
        """What was placed and what came back, once it has ended."""
        return Journal.read(self._journal)
