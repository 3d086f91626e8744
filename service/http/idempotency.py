"""A request that is sent again under the same Idempotency-Key is answered as before, and not carried out again.

Answers are kept in memory, the newest ones: they cover a client that repeats itself, not a restart.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

MAX_KEPT: Final = 1_000

T = TypeVar("T")


class IdempotencyCache(Generic[T]):
    """The answers that were given last, by key."""

    def __init__(self, most: int = MAX_KEPT) -> None:
        self._most = most
        self._answers: OrderedDict[str, tuple[object, asyncio.Future[T]]] = OrderedDict()

    async def answer(self, key: str | None, request: object, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `work` returns, or what it has returned, or is going to return, for the same key.

        Raises `ValueError` for a key that came with another request, and whatever `work` raises: then it is not kept.
        """
        if key is None:
            return await work()
        if key in self._answers:
            known, given = self._answers[key]
            if known != request:
                raise ValueError(f"Idempotency-Key {key!r} was used for another request: give each a key of its own")
            return await asyncio.shield(given)
        running = asyncio.ensure_future(work())
        self._answers[key] = (request, running)
        running.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(running)

    def _ended(self, key: str, done: "asyncio.Future[T]") -> None:
        """Keep an answer, but no failure, and only so many."""
        if done.cancelled() or done.exception() is not None:
            self._answers.pop(key, None)
        finished = [each for each, (_, given) in self._answers.items() if given.done()]
        for each in finished[: max(0, len(self._answers) - self._most)]:
            del self._answers[each]
