"""Every command of `saga` that a page names exists, with its options, in a form that the command line accepts."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from saga_coordinator.service.cli.main import app
from tests.meta.docs._support.pages import blocks, pages
from tests.support.project_tree import ROOT, shown

INLINE = re.compile(r"`(?:[A-Z_]+=\S+ )*(saga(?: [^`<]+)?)`")
CONSOLE = re.compile(r"^\$ (?:[A-Z_]+=\S+ )*(saga .*?)(?:\s+#.*)?$", re.MULTILINE)
ABRIDGED = re.compile(r"`\.\.\. (\w+ [^`]+)`")
"""A command of the group that the table is about, as `... redrive --all`."""

CHANGES = [ROOT / "CHANGELOG.md", *(ROOT / "docs" / "decisions").glob("*.md")]
"""Pages that also name what is gone."""

PAGES = [page for page in pages() if page not in CHANGES]
EXAMPLES = {
    "PLACE": "orders.events.v1:0:7",
    "TOPIC:PARTITION:OFFSET": "orders.events.v1:0:7",
    "PLACE...": "orders.events.v1:0:7",
    "FILE": "README.md",
    "model.toml": "docs/examples/order-fulfilment.toml",
}
"""Values for the words that stand for one; any other word is a value already."""


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_command_of_a_page_is_accepted_by_the_command_line(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    refused = {line: why for line in commands(page) for why in [refusal(line)] if why}
    assert refused == {}


def test_the_pages_name_commands() -> None:
    assert len({line for page in PAGES for line in commands(page)}) > 50


@pytest.mark.parametrize(
    "line",
    ["saga lss", "saga ls --atention", "saga topics aply", "saga resolve KEY finished",
     "saga dead-letters show HERE", "saga ls --limit many"],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    assert refusal(line)


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page, in its text and in its blocks."""
    text = page.read_text(encoding="utf-8")
    yield from INLINE.findall(text)
    yield from (f"saga dead-letters {rest}" for rest in ABRIDGED.findall(text))
    for block in blocks(page):
        if block.language == "console":
            for line in CONSOLE.findall(block.text):
                yield from line.split(" && ")


def refusal(line: str) -> str | None:
    """Return why the command line refuses a command. One that is only named may lack arguments."""
    words = [EXAMPLES.get(word, word) for word in shlex.split(line.translate({ord("["): None, ord("]"): None}))]
    try:
        _parse(get_command(app), words[0], words[1:])
    except Exception as error:  # noqa: BLE001  typer keeps the classes of its errors private
        if type(error).__name__ in {"MissingParameter", "NoArgsIsHelpError"}:
            return None
        return getattr(error, "message", None) or str(error)
    return None


def _parse(command: Any, name: str, words: list[str]) -> None:  # noqa: ANN401  as above
    """Parse the words of a command and of its subcommand, and run neither."""
    context = command.make_context(name, words)
    if context._protected_args:  # noqa: SLF001  where a group keeps the name of its subcommand
        name, command, rest = command.resolve_command(context, context._protected_args + context.args)  # noqa: SLF001
        _parse(command, name, rest)
