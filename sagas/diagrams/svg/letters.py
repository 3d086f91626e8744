"""How wide a text is, and how it is broken into lines.

Measured with the widths of DejaVu Sans, one of the widest faces that a viewer may fall back on: what fits in it, fits.
"""

import re
from dataclasses import dataclass
from unicodedata import east_asian_width

_REGULAR = (
    "32 40 46 84 64 95 78 28 39 39 50 84 32 36 32 34 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 54 "
    "100 69 69 70 77 64 58 78 76 30 30 66 56 87 75 79 61 79 70 64 62 74 69 99 69 62 69 39 34 39 84 50 "
    "50 62 64 55 64 62 36 64 64 28 28 58 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 34 64 84"
)
_BOLD = (
    "35 46 53 84 70 101 88 31 46 46 53 84 38 42 38 37 70 70 70 70 70 70 70 70 70 70 40 40 84 84 84 58 "
    "100 78 77 74 83 69 69 83 84 38 38 78 64 100 84 85 74 85 77 73 69 82 78 111 78 73 73 46 37 46 84 50 "
    "50 68 72 60 72 68 44 72 72 35 35 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 59 72 37 72 84"
)
_WIDTHS = {
    is_bold: {chr(32 + place): int(each) / 100 for place, each in enumerate(table.split())}
    for is_bold, table in ((False, _REGULAR), (True, _BOLD))
}
_WIDE, _OTHER = 1.05, 1.0
_PIECE = re.compile(r"(?:[^\s._/:-]|\.(?=v\d))*[\s._/:-]?")


@dataclass(frozen=True, slots=True)
class Face:
    """The size of letters in pixels, and their weight."""

    size: float
    is_bold: bool = False

    def width(self, text: str) -> float:
        """Return the width of a text in pixels."""
        return self.size * sum(map(self._letter, text))

    def broken(self, text: str, room: float) -> tuple[str, ...]:
        """Break a text into lines that fit into this many pixels: between words and parts of names, else anywhere."""
        lines = [""]
        for piece in _PIECE.findall(text):
            if self.width((lines[-1] + piece).rstrip()) <= room:
                lines[-1] += piece
                continue
            lines += [""] if lines[-1] else []
            for letter in piece:
                if self.width((lines[-1] + letter).rstrip()) > room and lines[-1]:
                    lines.append("")
                lines[-1] += letter
        return tuple(line.strip() for line in lines if line.strip())

    def _letter(self, letter: str) -> float:
        known = _WIDTHS[self.is_bold].get(letter)
        if known is not None:
            return known
        return _WIDE if east_asian_width(letter) in "WF" else _OTHER
