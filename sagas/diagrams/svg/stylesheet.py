"""How a picture looks: its colours by day and by night, and the outlines of its icons.

Nothing hangs on a colour: every state has an icon and a word, and what is still ahead a broken edge.
"""

from collections.abc import Mapping

from saga_coordinator.sagas.diagrams.model import CardKind, Mark
from saga_coordinator.sagas.diagrams.svg.shapes import FACES

MARK_ICONS = {
    Mark.AHEAD: "",
    Mark.ASKED: "M5.6 4.2L10 7L5.6 9.8z",
    Mark.WAITING: "M7 3.6V7L9.6 8.6",
    Mark.DONE: "M4.2 7.3L6.3 9.4L10 5",
    Mark.UNDONE: "M10.2 7H4.2M6.4 4.6L4 7L6.4 9.4",
    Mark.REFUSED: "M4.6 4.6L9.4 9.4M9.4 4.6L4.6 9.4",
    Mark.UNKNOWN: "M5.1 5.6C5.1 3 9 3.1 8.9 5.5C8.9 6.9 7 6.8 7 8.3M7 10.2V10.6",
}
CIRCLE = "M7 0.8A6.2 6.2 0 1 0 7.01 0.8z"

KIND_ICONS = {
    CardKind.PIVOT: "M2.5 13.5V1H12L9.4 4L12 7H2.5",
    CardKind.CHILD: "M1 1H13V13H1zM4 4H10V10H4z",
    CardKind.EACH: "M4 1H13V10M1 4H10V13H1z",
    CardKind.RECEIVE: "M1 2.5H13V11.5H1zM1 2.5L7 7.5L13 2.5",
    CardKind.DELAY: "M7 0.8A6.2 6.2 0 1 0 7.01 0.8zM7 3.4V7L9.6 8.6",
    CardKind.UNDO: "M13 7H1.6M6 2.6L1.4 7L6 11.4",
}

COLOURS: Mapping[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#10161d"),
    "ink": ("#16202c", "#f2f5f8"),
    "soft": ("#4a5568", "#b8c2cf"),
    "card": ("#f4f6f9", "#212b37"),
    "edge": ("#7b8798", "#8493a6"),
    "frame": ("#fbfcfd", "#151d26"),
    "frame-edge": ("#aab4c2", "#566476"),
    "arrow": ("#2d3748", "#cdd6e1"),
    "back": ("#8a4b08", "#f0b26b"),
    "pivot": ("#9b1c31", "#ff93a5"),
    Mark.ASKED: ("#dbe9fe", "#173a6b"),
    Mark.WAITING: ("#fdf0c4", "#54410a"),
    Mark.DONE: ("#d9f5e0", "#12492a"),
    Mark.UNDONE: ("#e6e3f4", "#37315c"),
    Mark.REFUSED: ("#fbdcdc", "#6b2023"),
    Mark.UNKNOWN: ("#f2dff7", "#57276a"),
    Mark.AHEAD: ("#ffffff", "#10161d"),
}
"""Each by day and by night."""

DAY, NIGHT = ({name: pair[time] for name, pair in COLOURS.items()} for time in (0, 1))


def stylesheet() -> str:
    """Return the rules of all classes: those of the day, and what the night changes."""
    fonts = (
        f".saga .{style}{{font-size:{face.size:g}px;font-weight:{'bold' if face.is_bold else 'normal'}}}"
        for style, face in FACES.items()
    )
    family = '.saga text{font-family:"Helvetica Neue",Helvetica,Arial,"DejaVu Sans",sans-serif}'
    dashes = (
        ".saga .line{fill:none;stroke-width:1.6}.saga .back{stroke-dasharray:7 4}.saga .link{stroke-dasharray:1.5 4}"
        ".saga .pivot-line{stroke-width:3;stroke-dasharray:12 4}.saga .ahead>.card{stroke-dasharray:5 4}"
        ".saga .undo>.card{stroke-dasharray:2.5 2.5}.saga .undo.now>.card{stroke-dasharray:none}"
        ".saga .icon,.saga .glyph{fill:none;stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round}"
        ".saga .pivot>.card{stroke-width:2.5}.saga .now>.card{stroke-width:4}.saga .badge text{font-size:10px}"
    )
    night = "".join(_colours(NIGHT))
    return "\n".join([family, *fonts, dashes, *_colours(DAY), f"@media (prefers-color-scheme:dark){{{night}}}"])


def _colours(look: Mapping[str, str]) -> list[str]:
    marks = [f".saga .{mark}>.card{{fill:{look[mark]}}}" for mark in Mark]
    return [
        f".saga .paper{{fill:{look['paper']}}}",
        f".saga text{{fill:{look['ink']}}}",
        f".saga .body,.saga .note{{fill:{look['soft']}}}",
        f".saga .card{{fill:{look['card']};stroke:{look['edge']}}}",
        *marks,
        f".saga .now>.card{{stroke:{look['ink']}}}",
        f".saga .badge rect{{fill:{look['ink']}}}.saga .badge text{{fill:{look['paper']}}}",
        f".saga .frame{{fill:{look['frame']};stroke:{look['frame-edge']}}}",
        f".saga .icon,.saga .glyph{{stroke:{look['ink']}}}",
        f".saga .forward,.saga .link{{stroke:{look['arrow']}}}.saga .head-forward{{fill:{look['arrow']}}}",
        f".saga .back{{stroke:{look['back']}}}.saga .head-back{{fill:{look['back']}}}",
        f".saga .pivot-line{{stroke:{look['pivot']}}}.saga .no-return{{fill:{look['pivot']}}}",
        f".saga .pivot>.card{{stroke:{look['pivot']}}}",
    ]
