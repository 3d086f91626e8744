"""Elements of SVG as text. Equal values give equal bytes."""

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr


def element(name: str, content: str | None = None, /, **attributes: object) -> str:
    """Return an element with text in it, or an empty one. An attribute that is None is left out.

    Names are written with dashes for underscores, and numbers with a fraction to a tenth of a pixel.
    """
    given = ((key, value) for key, value in attributes.items() if value is not None)
    written = "".join(f" {_name(key)}={quoteattr(_value(value))}" for key, value in given)
    return f"<{name}{written}/>" if content is None else f"<{name}{written}>{escape(clean(content))}</{name}>"


def clean(text: str) -> str:
    """Replace control characters, which XML cannot hold, and marks that change the direction of a text."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def path(points: Iterable[tuple[float, float]]) -> str:
    """Return the outline of straight lines through points."""
    return "M" + "L".join(f"{_value(x)} {_value(y)}" for x, y in points)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else clean(str(value))
