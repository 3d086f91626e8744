"""How a thread computes beside the event loop without keeping it from the interpreter's lock."""

from collections.abc import Iterable, Iterator
from time import sleep
from typing import TypeVar

T = TypeVar("T")

ITEMS_BETWEEN_PAUSES = 40
PAUSE_SECONDS = 0.000_2
"""Seconds. Against a thread that computes without a pause, the event loop gets the lock only every 5 ms."""


def yielding(items: Iterable[T]) -> Iterator[T]:
    """Yield all items, with a short sleep now and then: for work of some 10 us an item."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % ITEMS_BETWEEN_PAUSES == 0:
            sleep(PAUSE_SECONDS)
