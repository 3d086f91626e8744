"""Read the documentation pages: their code blocks, links, and the tests and source files that they name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.project_tree import ROOT

README = ROOT / "README.md"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# (\w+\.py)\b")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TEST = re.compile(r"\btests/[\w/]+(?:\.py)?(?:::\w+)?")
_SOURCE = re.compile(r"`((?:contracts|handlers|sagas|service)/[\w/]+(?:\.\w+)*)`")
_ANCHOR_DROPS = re.compile(r"[^\w\- ]")


class Block(NamedTuple):
    """A fenced block of code: its language and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """Return every page, sorted."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert README in found, f"README.md is not in {ROOT}"
    return sorted(found)


def blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page, in order."""
    return [Block(*each) for each in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def files_of(page: Path) -> dict[str, str]:
    """Return the blocks whose first line names a file, by that name."""
    return {named[1]: each.text for each in blocks(page) if (named := _NAMED.match(each.text))}


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links, except web addresses."""
    for link in _LINK.findall(_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if not link.startswith(("https://", "http://")):
            yield link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {_ANCHOR_DROPS.sub("", title.lower()).strip().replace(" ", "-") for title in titles}


def named_tests(page: Path) -> set[str]:
    """Return the tests that a page names outside its code blocks: folders, files, or functions in a file."""
    return set(_TEST.findall(_BLOCK.sub("", page.read_text(encoding="utf-8"))))


def named_sources(page: Path) -> set[str]:
    """Return the files and folders of the four layers that a page names."""
    return set(_SOURCE.findall(page.read_text(encoding="utf-8")))


def program(page: Path) -> str:
    """Return all Python of a page as one program with the page's line numbers; lines without code are blank."""
    lines: list[str] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = line == "```python" or (inside and not fence)
    return "\n".join(lines).rstrip() + "\n"
