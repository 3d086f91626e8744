"""Waits for a condition, with a limit: the only way to wait for a process, a broker or a record."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LIMIT_S: Final = 30.0
BETWEEN_LOOKS_S: Final = 0.02


def until(found: Callable[[], T | None], what: str, within: float = LIMIT_S) -> T:
    """Return what `found` finds, as soon as that is neither None nor false; fail after `within` seconds."""
    limit = time.monotonic() + within
    while True:
        if result := found():
            return result
        assert time.monotonic() < limit, f"after {within:g} s still not: {what}"
        time.sleep(BETWEEN_LOOKS_S)
