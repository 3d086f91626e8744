"""`make soak MINUTES=n`: runs with random seeds until the time has expired, and writes a report to soak-report.md."""

import argparse
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Final

from tests.soak.labours import FUZZED, KILLERS, Piece, fuzz, kills, worlds
from tests.support.project_tree import ROOT

REPORT: Final = ROOT / "soak-report.md"
CRASHES: Final = ROOT / ".soak"
SLICE: Final = 30.0


class Soak:
    """Two lanes, one for each core of a small machine; what they find is written down at once."""

    def __init__(self, minutes: float) -> None:
        self.began = datetime.now(UTC)
        self.minutes = minutes
        self.figures: Counter[str] = Counter()
        self.found: list[str] = []
        self._until = time.monotonic() + minutes * 60
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self._until - time.monotonic()

    def run(self) -> None:
        """Run until the time has expired, whatever is found."""
        lanes = [threading.Thread(target=lane) for lane in (self._lives, self._kills_and_fuzzes)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()

    def _lives(self) -> None:
        while self.left > 0:
            self.note(worlds(min(SLICE, self.left)))

    def _kills_and_fuzzes(self) -> None:
        inputs = cycle(FUZZED)
        for test in cycle(KILLERS):
            if self.left > KILLERS[test]:
                self.note(kills(test, self.left))
            for _ in range(2):
                if self.left > 1:
                    self.note(fuzz(next(inputs), min(SLICE, self.left), CRASHES))
            if self.left <= 1:
                return

    def note(self, piece: Piece) -> None:
        """Add the result of a piece, print it, and rewrite the report."""
        with self._lock:
            self.figures.update(Counter(piece.figures))
            self.found += piece.found
            line = f"{piece.summary}{f', {len(piece.found)} FOUND' if piece.found else ''}"
            print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)  # noqa: T201  a program
            REPORT.write_text(self.report(), encoding="utf-8")

    def report(self) -> str:
        """Return what was done, and how to repeat each failure."""
        figures = dict(self.figures)
        seconds = figures.pop("seconds of worlds", 0)
        lines = [f"| {name} | {count:.0f} |" for name, count in sorted(figures.items())]
        if seconds:
            lines.append(f"| worlds a second | {figures.get('worlds', 0) / seconds:.1f} |")
        failures = [f"## Failure {number}\n\n```\n{each}\n```\n" for number, each in enumerate(self.found, 1)]
        head = f"# Soak of {self.minutes:g} minutes, begun {self.began:%Y-%m-%d %H:%M} UTC\n"
        end = failures or ["Nothing was found.\n"]
        return "\n".join([head, "| figure | |", "|---|---|", *lines, "", *end])


def main() -> int:
    """Soak; end with 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    soak = Soak(parser.parse_args().minutes)
    soak.run()
    print(f"{Path(REPORT).name} contains the details")  # noqa: T201  a program
    return 1 if soak.found else 0


if __name__ == "__main__":
    sys.exit(main())
