"""The project is written in the terms of its field: words that the glossary has replaced do not come back."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.project_tree import shown, tracked_files

WORDS: Final = {
    "tell", "tells", "told", "telling", "wish", "wishes", "wished", "owed", "anew", "whoever",
    "ring", "rings", "rang", "rung", "ringing", "heed", "heeds", "heeded", "hurry", "hurried", "hurries",
    "breaths", "seldom", "sown", "alarm", "alarms",
}  # fmt: skip
PHRASES: Final = re.compile(
    r"\b(in vain|for ever|by itself|is over|turn(s|ed|ing)? back|gives? out|gave out|get(s|ting)? on with|made up|"
    r"sets? aside|setting aside)\b"
)
NAMES: Final = re.compile(r"release[-_]alarm|ReleaseAlarm|alarm: str|alarm: error rate")
"""Names of a message in an example: monitoring raises alarms."""

LEFT_OUT: Final = (
    "CHANGELOG.md",
    "LICENSE",
    "tests/meta/architecture/compose-spec.json",
    "tests/meta/architecture/test_words.py",
)
"""Texts of others, the list of what was renamed, and the list of the words itself."""


def test_the_tree_has_none_of_the_replaced_words() -> None:
    found = [
        f"{shown(path)}:{number}: {word}"
        for path in tracked_files()
        if shown(path) not in LEFT_OUT
        for number, word in replaced_words(path)
    ]
    assert found == [], "docs/glossary.md names the word to use instead."


def test_no_file_is_named_by_a_replaced_word() -> None:
    assert [shown(path) for path in tracked_files() if words_of(shown(path)) & WORDS] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("def is_told(alarm_at: int) -> None:", {"told", "alarm"}),
        ("class WishTaken: ...", {"wish"}),
        ("it is over, and made up", {"is over", "made up"}),
        ("a string that is taught to sing", set()),
    ],
)
def test_a_line_is_read_word_by_word(line: str, expected: set[str]) -> None:
    assert set(replaced_in(line)) == expected


def replaced_words(path: Path) -> Iterator[tuple[int, str]]:
    """Line and word of every replaced word in a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        yield from ((number, word) for word in replaced_in(line))


def replaced_in(line: str) -> list[str]:
    """The replaced words and phrases of a line."""
    text = NAMES.sub("", line)
    phrases = [match[0] for match in PHRASES.finditer(text.replace("_", " ").lower())]
    return sorted(words_of(text) & WORDS) + phrases


def words_of(text: str) -> set[str]:
    """The words of a text in lower case, those within names apart."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)}
