"""How the demo writes names, durations and lists for people."""

from collections.abc import Sequence
from datetime import timedelta


def brief(message_type: str | None) -> str:
    """Return the name in a message type: `stock-reserved` of `inventory.stock-reserved.v1`."""
    context_name_version = (message_type or "a message").split(".")
    return context_name_version[-2] if len(context_name_version) > 1 else context_name_version[0]


def listed(names: Sequence[str]) -> str:
    """Return names as they stand in a sentence."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def span(length: timedelta | float) -> str:
    """Return a duration, seconds if it is a number: `45 ms`, `2.3 s`, `3 min`, `2 h`."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
