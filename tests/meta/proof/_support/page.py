"""The tables of `docs/proof.md`: which faults are tried, and what found each."""

import re
from functools import cache
from typing import NamedTuple

from tests.meta.proof._support.seeding import Seed, files_by_name
from tests.support.project_tree import ROOT


class Row(NamedTuple):
    """One fault: the function that has it, and an invariant, a check or a test that finds it."""

    bug: str
    function: str
    by: str

    @property
    def test(self) -> str | None:
        """The qualified name of the test that finds it, if it is one."""
        return self.by.strip("`") if self.by.startswith("`") else None

    @property
    def world(self) -> int | None:
        """The seed of the world that finds it, if worlds do."""
        found = re.match(r"worlds, (\d+):", self.by)
        return int(found[1]) - 1 if found else None


def row(seed: Seed, by: str) -> Row:
    """Return the row of a seed that this has found."""
    return Row(seed.bug, f"`{seed.function}`", by)


def rows_of(heading: str) -> dict[str, Row]:
    """Return the rows of the table under a heading, by bug."""
    page = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return {row.bug: row for row in (Row(*line.removeprefix("| ").removesuffix(" |").split(" | ")) for line in lines)}


def node_id(test: str) -> str:
    """Return what pytest calls a test with this qualified name."""
    files = _tests().get(test, [])
    assert len(files) == 1, f"docs/proof.md names the test {test}, of which there are {len(files)}"
    return f"{files[0]}::{test.replace('.', '::')}"


@cache
def _tests() -> dict[str, list[str]]:
    return files_by_name(sorted((ROOT / "tests").rglob("test_*.py")))
