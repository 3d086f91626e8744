"""The pages that people read, and what stands in them: code blocks, links, the tests that they name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.meta.architecture.tree import ROOT

README = ROOT / "README.md"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# (\w+\.py)\b")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TEST = re.compile(r"\btests/[\w/]+(?:\.py)?(?:::\w+)?")
_ANCHOR_DROPS = re.compile(r"[^\w\- ]")


class Block(NamedTuple):
    """A fenced block of code: its language, and its text."""

    language: str
    text: str


def pages() -> list[Path]:
    """Every page, sorted."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert README in found, f"README.md is not in {ROOT}"
    return sorted(found)


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in order."""
    return [Block(*each) for each in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def files_of(page: Path) -> dict[str, str]:
    """The blocks whose first line names a file, by that name."""
    return {named[1]: each.text for each in blocks(page) if (named := _NAMED.match(each.text))}


def links(page: Path) -> Iterator[str]:
    """Where the links of a page lead to, but for those into the web."""
    for link in _LINK.findall(_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if not link.startswith(("https://", "http://")):
            yield link


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {_ANCHOR_DROPS.sub("", title.lower()).strip().replace(" ", "-") for title in titles}


def named_tests(page: Path) -> set[str]:
    """The tests that a page names: a folder, a file, or a function in it."""
    return set(_TEST.findall(page.read_text(encoding="utf-8")))


def program(page: Path) -> str:
    """All Python of a page as one program. Each line stands where it stands on the page; what is no code is blank."""
    lines: list[str] = []
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = line == "```python" or (inside and not fence)
    return "\n".join(lines).rstrip() + "\n"
