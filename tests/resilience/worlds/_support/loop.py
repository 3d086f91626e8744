"""An event loop on virtual time: one source of chance decides which ready callback runs next, and time never waits.

Each callback belongs to a life (a process that is simulated) by its context. A life that has ended runs no more: no
`finally`, no `except`, as after SIGKILL. One that is paused runs what has piled up when it goes on, as after SIGSTOP.
"""

import asyncio
import heapq
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast


@dataclass(eq=False)
class Life:
    """One life of a process. What it was about to do while paused waits in `pending`."""

    name: str
    has_ended: bool = False
    is_paused: bool = False
    pending: list[asyncio.Handle] = field(default_factory=list)
    at_end: list[Callable[[], None]] = field(default_factory=list)


_LIVES: ContextVar[Life | None] = ContextVar("life", default=None)


def current_life() -> Life:
    """The life that is running now."""
    life = _LIVES.get()
    assert life is not None, "this is called by a process"
    return life


class Stuck(AssertionError):
    """Nothing is left that could ever happen."""


class Spinning(AssertionError):
    """A task retries without end, and time does not pass."""


MOST_AT_ONE_MOMENT = 10_000


class SimulatedLoop(BaseEventLoop):
    """Runs callbacks one at a time, chosen by chance; when none is ready, time jumps to the next timer."""

    _ready: Any
    _scheduled: Any
    _stopping: bool

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self._since_it_passed = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._left: list[asyncio.Handle] = []

    def time(self) -> float:
        return self._now

    def live(self, life: Life, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Let a life do something."""
        context: Context = copy_context()
        context.run(_LIVES.set, life)
        task = self.create_task(work, name=life.name, context=context)
        self._tasks.append(task)  # a task that never ends must not be collected: its `finally` would run
        return task

    def end(self, life: Life) -> None:
        """End a life at once."""
        life.has_ended = True
        self._left += life.pending
        life.pending = []
        for each in life.at_end:
            each()

    def pause(self, life: Life) -> None:
        """Stop a life, until `resume`."""
        life.is_paused = True

    def resume(self, life: Life) -> None:
        """Let a life go on."""
        life.is_paused = False
        pending, life.pending = life.pending, []
        self._ready.extend(pending)

    def is_calm(self) -> bool:
        """Return whether nothing is going to happen outside the lives."""
        return all(_life_of(handle) or handle._cancelled for handle in (*self._ready, *self._scheduled))  # noqa: SLF001

    def clear(self) -> None:
        """Let everything end that never did: what is dead by now may clean up after itself, unheard."""
        self.set_exception_handler(lambda *_: None)
        for task in asyncio.all_tasks(self):
            task.cancel()
        for handle in self._left:
            life = _life_of(handle)
            if life is not None:
                life.has_ended = life.is_paused = False
        self._ready.extend(self._left)
        self._left = []
        self.run_until_complete(self._gathered())
        self._tasks = []

    async def _gathered(self) -> None:
        """Await every task, and those that they start while they clean up."""
        current = asyncio.current_task(self)
        while others := [task for task in asyncio.all_tasks(self) if task is not current]:
            await asyncio.gather(*others, return_exceptions=True)

    def _run_once(self) -> None:
        """Run until the loop is stopped: a world takes hundreds of thousands of callbacks."""
        ready, chance = self._ready, self._chance
        while not self._stopping:
            self._collect_due()
            if not ready:
                return
            self._since_it_passed += 1
            if self._since_it_passed == MOST_AT_ONE_MOMENT:
                raise Spinning(f"{MOST_AT_ONE_MOMENT} things happened at {self._now} s")
            if (count := len(ready)) > 1:
                ready.rotate(-below(chance, count))
            handle = ready.popleft()
            if not handle._cancelled:  # noqa: SLF001  the loop's own handle
                self._run(handle)

    def _run(self, handle: Any) -> None:  # noqa: ANN401  the library's handle shows no context
        """Run what a life that has not ended does, unless it is paused."""
        life = _life_of(handle)
        if life is not None and life.has_ended:
            self._left.append(handle)
        elif life is not None and life.is_paused:
            life.pending.append(handle)
        else:
            handle._run()  # noqa: SLF001  the loop's own handle

    def _collect_due(self) -> None:
        """Make every timer ready whose time has come; with nothing else to do, let the next one's time come."""
        scheduled: Any = self._scheduled
        while scheduled and scheduled[0]._cancelled:  # noqa: SLF001  the loop's own handle
            heapq.heappop(scheduled)._scheduled = False  # noqa: SLF001
        if not self._ready:
            if not scheduled:
                raise Stuck("nobody waits for a time, and nothing is ready")
            self._now = max(self._now, scheduled[0]._when)  # noqa: SLF001
            self._since_it_passed = 0
        while scheduled and scheduled[0]._when <= self._now:  # noqa: SLF001
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # noqa: SLF001
            if not timer._cancelled:  # noqa: SLF001
                self._ready.append(timer)

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no threads."""


def below(chance: Random, limit: int) -> int:
    """Return a number from 0 to below the limit, as `randrange` does and in a third of its time."""
    bits = limit.bit_length()
    while (number := chance.getrandbits(bits)) >= limit:
        pass
    return number


def _life_of(handle: Any) -> Life | None:  # noqa: ANN401  the library's handle shows no context
    return cast("Life | None", handle._context.get(_LIVES))  # noqa: SLF001
