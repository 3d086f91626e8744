"""Run in a folder with a copy of the project: lives worlds, and writes in which seed a check fails first, if in one."""

import json
import sys

from tests.resilience.worlds._support.search import problems_of


def main(seeds: int, *first: int) -> None:
    """Write {"seeds", "check"}: how many worlds it took, and which check fails in the last; or null.

    Seeds that are to be tried `first` count as if all before them had been tried.
    """
    for seed in (*first, *range(seeds)):
        if problems := problems_of(seed):
            json.dump({"seeds": seed + 1, "check": problems[0].partition(":")[0]}, sys.stdout)
            return
    sys.stdout.write("null")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
