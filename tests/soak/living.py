"""Run by the soak: lives worlds of seeds that follow a random one, and says of each block what came of it."""

import json
import sys
import time
from random import SystemRandom

from tests.resilience.worlds._support.search import problems_of, shrunk

BLOCK = 10


def main(seconds: float) -> None:
    """Write a line of JSON for each block: {"first", "count", "found"}; `found` says how to repeat what is broken."""
    until = time.monotonic() + seconds
    seed = SystemRandom().randrange(1_000_000, 1 << 40)
    while time.monotonic() < until:
        lived = [each for each in range(seed, seed + BLOCK) if time.monotonic() < until]
        found = [str(shrunk(each)) for each in lived if problems_of(each)]
        print(json.dumps({"first": seed, "count": len(lived), "found": found}), flush=True)  # noqa: T201  a program
        seed += BLOCK


if __name__ == "__main__":
    main(float(sys.argv[1]))
