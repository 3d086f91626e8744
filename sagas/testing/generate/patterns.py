"""A text that a regular expression accepts, for the expressions that schemas of messages are written with."""

import re
from dataclasses import dataclass

_CLASSES = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
_CANDIDATES = "aA1-_. /:+@#"


def text_for(pattern: str) -> str | None:
    """Return a text that the pattern finds itself in, None if this reader does not understand the pattern."""
    try:
        text = _Reader(pattern).alternatives()
    except IndexError:
        return None
    return text if re.search(pattern, text) else None


@dataclass(slots=True)
class _Reader:
    """Reads a pattern from left to right, and takes the first way through it that there is."""

    pattern: str
    at: int = 0

    def alternatives(self) -> str:
        """Read up to the end of the group, or of the whole."""
        first = self._sequence()
        while self._peek() == "|":
            self.at += 1
            self._sequence()
        return first

    def _sequence(self) -> str:
        text = ""
        while self._peek() not in {"", "|", ")"}:
            text += self._piece()
        return text

    def _piece(self) -> str:
        one = self._one()
        return one * self._least()

    def _one(self) -> str:
        letter = self._next()
        match letter:
            case "^" | "$":
                return ""
            case "(":
                return self._group()
            case "[":
                return self._set()
            case "\\":
                escaped = self._next()
                return "" if escaped in "bBAZz" else _CLASSES.get(escaped, escaped)
            case ".":
                return "a"
            case _:
                return letter

    def _group(self) -> str:
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        text = self.alternatives()
        self._next()
        return text

    def _set(self) -> str:
        begin = self.at
        self.at += 2 if self._peek() == "^" else 1
        while self._next() != "]":
            self.at += self.pattern[self.at - 1] == "\\"
        members = re.compile("[" + self.pattern[begin : self.at])
        return next((each for each in _CANDIDATES if members.match(each)), self.pattern[begin])

    def _least(self) -> int:
        """Read how often, and take the least that is at least once where that is allowed for nothing."""
        match self._peek():
            case "*" | "?":
                self.at += 1
                return 0
            case "+":
                self.at += 1
                return 1
            case "{":
                end = self.pattern.index("}", self.at)
                least = self.pattern[self.at + 1 : end].partition(",")[0]
                self.at = end + 1
                return int(least or 0)
            case _:
                return 1

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _next(self) -> str:
        letter = self.pattern[self.at]
        self.at += 1
        return letter
