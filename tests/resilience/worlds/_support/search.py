"""Looks for seeds whose world breaks an invariant, and shrinks what it finds to what matters."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.resilience.worlds._support.checks import CHECKS, failed
from tests.resilience.worlds._support.faults import Fault, planned
from tests.resilience.worlds._support.world import lived


@dataclass(frozen=True, slots=True)
class Found:
    """A seed that breaks something, with the fewest of its faults that still do, and what it breaks."""

    seed: int
    faults: tuple[Fault, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """Return how to reproduce it."""
        lines = "\n  ".join((*map(str, self.faults), *self.problems))
        command = f"python -m tests.resilience.worlds._support.search {self.seed}"
        return f"seed {self.seed} ({command}), faults that matter:\n  {lines}"


def problems_of(seed: int, faults: tuple[Fault, ...] | None = None, *, orders: int | None = None) -> tuple[str, ...]:
    """Say what is broken in the world of a seed; nothing, if all is well."""
    try:
        return tuple(failed(CHECKS, lived(seed, faults, orders=orders)))
    except Exception as error:  # noqa: BLE001  a world that cannot even end is a finding, too
        return (f"{type(error).__name__}: {error}",)


def shrunk(seed: int) -> Found:
    """Leave out one fault after the other, as long as something stays broken."""
    faults = planned(seed)
    problems = problems_of(seed, faults)
    smaller = True
    while smaller:
        smaller = False
        for number in range(len(faults)):
            fewer = faults[:number] + faults[number + 1 :]
            if still := problems_of(seed, fewer):
                faults, problems, smaller = fewer, still, True
                break
    return Found(seed, faults, problems)


def search(seeds: Iterable[int]) -> Iterator[Found]:
    """Yield what is broken, shrunk."""
    return (shrunk(seed) for seed in seeds if problems_of(seed))


if __name__ == "__main__":
    first, *rest = map(int, sys.argv[1:])
    for found in search(range(first, rest[0] if rest else first + 1)):
        print(found)  # noqa: T201  this is a program
