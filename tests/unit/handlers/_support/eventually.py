"""Waits for a condition, with a limit: the tests' only way to wait."""

import asyncio
from collections.abc import Callable

LIMIT = 20.0
LOOK_EVERY = 0.005


async def eventually(condition: Callable[[], bool], what: str, within: float = LIMIT) -> None:
    """Return when the condition holds; fail, saying what was awaited, after `within` seconds."""
    try:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110  what is looked at sets no event
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        raise AssertionError(f"after {within} s still not: {what}") from None
