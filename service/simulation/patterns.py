r"""Makes text that a regular expression matches: what message types ask of codes and numbers, and no more.

Literals, classes (`[A-Z0-9_]`), `\d`, `\w`, `.`, groups, alternatives, quantifiers and the anchors at both ends.
"""

import re
from random import Random
from string import ascii_letters, ascii_lowercase, digits

LETTERS = {"d": digits, "w": ascii_letters + digits + "_", "s": " "}
FEW = 4
"""How many more at most of what may come any number of times."""

_QUANTIFIER = re.compile(r"\?|\*|\+|\{(\d+)(,?)(\d*)\}")


def text_for(pattern: str, chance: Random) -> str:
    """Return a text that the pattern matches. Raises `ValueError` for one that is beyond this module."""
    begun = pattern.removeprefix("^")
    return _Reading(begun if begun.endswith("\\$") else begun.removesuffix("$"), chance).whole()


class _Reading:
    """A pattern, how far it was read, and the text made of it on the way."""

    def __init__(self, pattern: str, chance: Random) -> None:
        self._pattern = pattern
        self._chance = chance
        self._at = 0

    def whole(self) -> str:
        made = self._alternatives()
        if self._at < len(self._pattern):
            raise self._beyond()
        return made

    def _alternatives(self) -> str:
        ways = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            ways.append(self._sequence())
        return self._chance.choice(ways)

    def _sequence(self) -> str:
        made: list[str] = []
        while self._next() not in {"", "|", ")"}:
            begins = self._at
            once = self._one()
            ends = self._at
            for turn in range(self._times()):
                if turn == 0:
                    made.append(once)
                else:
                    made.append(_Reading(self._pattern[begins:ends], self._chance).whole())
        return "".join(made)

    def _one(self) -> str:
        """Read one character, class or group, and make a text of it."""
        letter = self._take()
        match letter:
            case "(":
                return self._group()
            case "[":
                return self._chance.choice(self._class())
            case "\\":
                return self._chance.choice(self._escaped())
            case ".":
                return self._chance.choice(ascii_lowercase)
            case "^" | "$" | "*" | "+" | "?" | "{":
                raise self._beyond()
            case _:
                return letter

    def _group(self) -> str:
        if self._next() == "?":
            self._at += 1
            if self._take() != ":":
                raise self._beyond()
        made = self._alternatives()
        if self._take() != ")":
            raise self._beyond()
        return made

    def _class(self) -> str:
        """Return the characters of a class."""
        if self._next() == "^":
            raise self._beyond()
        letters = ""
        while (letter := self._take()) != "]":
            found = self._escaped() if letter == "\\" else letter
            if len(found) == 1 and self._next() == "-" and self._pattern[self._at + 1 : self._at + 2] not in {"]", ""}:
                self._at += 1
                found = "".join(map(chr, range(ord(found), ord(self._take()) + 1)))
            letters += found
        return letters

    def _escaped(self) -> str:
        letter = self._take()
        if letter in LETTERS:
            return LETTERS[letter]
        if letter in ascii_letters + digits:
            raise self._beyond()
        return letter

    def _times(self) -> int:
        """Read how often, and choose."""
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found is None:
            return 1
        self._at = found.end()
        match found[0]:
            case "?":
                low, high = 0, 1
            case "*":
                low, high = 0, FEW
            case "+":
                low, high = 1, 1 + FEW
            case _:
                low = int(found[1])
                high = int(found[3]) if found[3] else low + (FEW if found[2] else 0)
        return self._chance.randint(low, high)

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        letter = self._next()
        if not letter:
            raise self._beyond()
        self._at += 1
        return letter

    def _beyond(self) -> ValueError:
        return ValueError(f"no text can be made for the pattern {self._pattern!r}")
