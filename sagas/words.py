"""The words for how far a step, its compensation and a wait have come: one table for pictures, lists, explanations."""

from collections.abc import Mapping
from typing import Final

from saga_coordinator.sagas.machine import Direction, Progress

NOT_REACHED: Final = "not reached"
NOT_SENT: Final = "not sent"
NOT_COME: Final = "did not come"

EVENT_WORDS: Final[Mapping[Progress, str]] = {
    Progress.ASKED: "awaited",
    Progress.DONE: "received",
    Progress.REFUSED: "given up",
}
DELAY_WORDS: Final[Mapping[Progress, str]] = {
    Progress.ASKED: "running",
    Progress.DONE: "ended",
    Progress.REFUSED: "given up",
}

_COMMAND_WORDS: Final[Mapping[Progress, str]] = {
    Progress.ASKED: "awaited",
    Progress.WAITING: "to be sent again",
    Progress.DONE: "done",
    Progress.REFUSED: "refused",
    Progress.UNKNOWN: "unanswered",
}


def describe_command(progress: Progress | None, direction: Direction) -> str:
    """Return how far a command has come; None: it was never sent."""
    is_undo = direction is Direction.COMPENSATION
    if progress is None:
        return NOT_SENT if is_undo else NOT_REACHED
    return "undone" if is_undo and progress is Progress.DONE else _COMMAND_WORDS[progress]
