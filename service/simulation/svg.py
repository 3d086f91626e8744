"""The few elements of SVG that a plot is made of, as text: equal plots are equal bytes."""

from collections.abc import Iterable, Sequence
from html import escape

INK = "#1f2937"
FAINT = "#6b7280"
GRID = "#e2e5ea"
WORK = "#4a7fb5"

STYLE = f"""<style>
text {{ font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: {INK}; }}
.title {{ font-size: 17px; font-weight: 600; }}
.head {{ font-size: 13px; font-weight: 600; }}
.faint {{ fill: {FAINT}; font-size: 11px; }}
</style>
<defs><pattern id="waiting" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" fill="#ffffff"/><rect width="2.2" height="6" fill="{INK}"/></pattern></defs>"""


def document(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Return a whole SVG document on white."""
    size = f'width="{width:.0f}" height="{height:.0f}"'
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img">'
    paper = f'<rect {size} fill="#ffffff"/>'
    return "\n".join((begin, f"<title>{escape(title)}</title>", STYLE, paper, *parts, "</svg>\n"))


def text(x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> str:
    """Write words at a place; `anchor` is the end that stands there."""
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named} text-anchor="{anchor}">{escape(words)}</text>'


def line(start: tuple[float, float], end: tuple[float, float], *, stroke: str = GRID, dash: str = "") -> str:
    """Draw a straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    x1, y1, x2, y2 = *start, *end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"{dashed}/>'


def curve(points: Sequence[tuple[float, float]], *, dash: str = "", width: float = 2.0) -> str:
    """Draw a line through points."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="{_through(points)}" fill="none" stroke="{INK}" stroke-width="{width:.1f}"{dashed}/>'


def area(points: Sequence[tuple[float, float]], floor: float, *, fill: str) -> str:
    """Fill what lies between points and the floor beneath them."""
    around = [(points[0][0], floor), *points, (points[-1][0], floor)]
    return f'<path d="{_through(around)}Z" fill="{fill}"/>'


def mark(shape: str, x: float, y: float) -> str:
    """Draw a small mark: a circle, a square or a triangle."""
    match shape:
        case "circle":
            drawn = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"'
        case "square":
            drawn = f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"'
        case _:
            drawn = f'<path d="M{x:.1f},{y - 5:.1f}L{x + 5:.1f},{y + 4:.1f}L{x - 5:.1f},{y + 4:.1f}Z"'
    return f'{drawn} fill="#ffffff" stroke="{INK}" stroke-width="1.6"/>'


def _through(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
