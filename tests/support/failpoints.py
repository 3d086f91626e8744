"""The command line of `saga` with places at which the process dies, stops or fails.

    SAGA_TEST_FAILPOINTS=commit.before=kill@3,ack.after=kill python -m tests.support.failpoints serve

names each place with what happens there, here the third time that it is reached, by default the first: `kill` ends the
process by SIGKILL, `stop` freezes it by SIGSTOP, `fail` raises `OSError`. The names are those of `PLACES`, `.before`
or `.after`. The instruments wrap the calls of the libraries, and the two that run statements in the database's thread:
nothing in the tested code refers to them.
"""

import functools
import os
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, Final

import aiosqlite
import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from saga_coordinator.handlers.ports import Lane
from saga_coordinator.handlers.relay import Relay
from saga_coordinator.service.cli.main import main
from saga_coordinator.service.kafka import publisher
from saga_coordinator.service.storage.sqlite import rows

VARIABLE: Final = "SAGA_TEST_FAILPOINTS"

STATEMENTS: Final[Mapping[str, str]] = {
    "begin": r"BEGIN IMMEDIATE",
    "lease": r"WITH move AS .* UPDATE lease",
    "take": r"INSERT INTO lease",
    "load": r"SELECT .* FROM instance WHERE id",
    "instance-insert": r"INSERT INTO instance",
    "instance-update": r"UPDATE instance",
    "history": r"INSERT INTO history",
    "outbox": r"INSERT INTO outbox",
    "delete": r"DELETE FROM outbox",
    "dead-letter": r"INSERT INTO dead_letter\b",
    "hold": r"INSERT OR REPLACE INTO held_event",
    "release": r"DELETE FROM held_event",
    "verdict": r"INSERT INTO verdict",
    "park": r"INSERT INTO parked",
    "unpark": r"DELETE FROM parked",
    "alter": r"UPDATE dead_letter\b",
    "settle": r"DELETE FROM dead_letter\b",
    "audit": r"INSERT INTO dead_letter_audit",
    "await": r"INSERT INTO awaited_event",
    "unawait": r"DELETE FROM awaited_event",
    "commit": r"COMMIT",
}
"""Places in the database, each a statement."""

SHORT_FORM: Final[Mapping[str, str]] = {
    "short-begin": r"BEGIN IMMEDIATE",
    "short-lease": r"WITH move AS .* UPDATE lease",
    "short-early": r"SELECT address FROM held_event",
    "short-commit": r"COMMIT",
}
"""Places in the short form of a transaction, each a statement that writes no rows; it writes as the long form does."""

ON_POSTGRES: Final[Mapping[str, str]] = {
    "pg-short": r"\s*WITH moved",
    "pg-begin": r"BEGIN",
    "pg-lease": r"UPDATE saga\.lease",
    "pg-take": r"INSERT INTO saga\.lease",
    "pg-load": r"SELECT .* FROM saga\.instance WHERE id",
    "pg-write": r"(INSERT INTO|UPDATE) saga\.(instance|history|outbox)",
    "pg-commit": r"COMMIT",
}
"""Places in a PostgreSQL database: the statement of the short form, and those of the long form."""

BESIDE_ORDERS: Final = ("park", "unpark", "alter", "settle", "audit", "await", "unawait")
"""Those that no order reaches: somebody has to redrive a record, or to await an event at another key."""

CALLS: Final = ("fetch", "send", "ack", "offset")
"""Places in Kafka: a poll that brought records, a batch handed over, its acknowledgement, the commit of offsets.

`ack.before`: Kafka has a batch, and the relay has not noted it.
"""

PLACES: Final = (*STATEMENTS, *SHORT_FORM, *CALLS)
"""All places of a coordinator on a file."""

_FORM: Final = re.compile(r"(?P<name>[a-z-]+\.(before|after))=(?P<deed>kill|stop|fail)(@(?P<time>[1-9][0-9]*))?")

Points = Mapping[str, tuple[str, int]]


def install() -> tuple[str, ...]:
    """Put the instruments in if the variable asks for any, and return the names of the places that are armed.

    Raises `ValueError` for a variable that says nothing that can be understood.
    """
    points = _read(os.environ.get(VARIABLE, ""))
    if points:
        _Instruments(points).wrap()
    return tuple(points)


def _read(text: str) -> Points:
    points: dict[str, tuple[str, int]] = {}
    for word in filter(None, text.split(",")):
        match = _FORM.fullmatch(word)
        if match is None or match["name"].rpartition(".")[0] not in {*PLACES, *ON_POSTGRES}:
            raise ValueError(
                f"{VARIABLE}: {word!r} is not PLACE.before=DEED or PLACE.after=DEED@TIME; "
                f"places are {', '.join((*PLACES, *ON_POSTGRES))}, deeds kill, stop and fail"
            )
        points[match["name"]] = (match["deed"], int(match["time"] or 1))
    return points


class _Instruments:
    """Counts how often each place was reached, and does there what is asked for."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._reached: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        """Do what is asked for at a place, if this is the time."""
        if name not in self._points:
            return
        self._reached[name] += 1
        action, time = self._points[name]
        if self._reached[name] != time:
            return
        if action == "fail":
            raise OSError(f"on purpose, at {name}")
        os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)

    def wrap(self) -> None:
        """Wrap the calls."""
        for name in ("execute", "execute_fetchall"):
            self._wrap(aiosqlite.Connection, name, lambda sql, *_: _place_of(sql, STATEMENTS))
        for name in ("execute", "fetch"):
            self._wrap(asyncpg.Connection, name, lambda sql, *_: _place_of(sql, ON_POSTGRES))
        _replace(rows, "run", self._in_thread(STATEMENTS))
        _replace(rows, "fetch", self._in_thread(SHORT_FORM))
        self._wrap(AIOKafkaConsumer, "commit", lambda *_: "offset")
        _replace(AIOKafkaConsumer, "getmany", self._fetching)
        _replace(publisher, "post_batch", self._posting)
        _replace(AIOKafkaProducer, "send_batch", self._sending)
        _replace(Relay, "_done", self._acknowledged)

    def _wrap(self, owner: type, method: str, place_of: Callable[..., str | None]) -> None:
        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(this: object, *args: Any, **named: Any) -> Any:  # noqa: ANN401  the library's own form
                place = place_of(*args)
                if place is None:
                    return original(this, *args, **named)
                return _Between(self, place, lambda: original(this, *args, **named))

            return call

        _replace(owner, method, around)

    def _in_thread(self, places: Mapping[str, str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Stand before and after each statement of these places, in the database's thread."""

        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(connection: object, sql: str, *rest: Any) -> Any:  # noqa: ANN401  what is passed on
                place = _place_of(sql, places)
                if place is None:
                    return original(connection, sql, *rest)
                self.reach(f"{place}.before")
                result = original(connection, sql, *rest)
                self.reach(f"{place}.after")
                return result

            return call

        return around

    def _fetching(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Count only the polls that have brought something."""

        async def call(this: object, *args: Any, **named: Any) -> Any:  # noqa: ANN401  the library's own form
            self.reach("fetch.before")
            polled = await original(this, *args, **named)
            if polled:
                self.reach("fetch.after")
            return polled

        return call

    def _posting(self, original: Callable[..., object]) -> Callable[..., object]:
        """Stand around a batch that a producer takes at once; one that it does not take is sent later."""

        def call(*args: object) -> object:
            self.reach("send.before")
            future = original(*args)
            if future is not None:
                self.reach("send.after")
            return future

        return call

    def _sending(self, original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Stand around a batch that has to wait before the producer takes it."""

        async def call(this: object, *args: Any, **named: Any) -> Any:  # noqa: ANN401  the library's own form
            self.reach("send.before")
            future = await original(this, *args, **named)
            self.reach("send.after")
            return future

        return call

    def _acknowledged(self, original: Callable[[Relay, Lane, int | Exception], None]) -> Callable[..., None]:
        """Count only the batches that Kafka has."""

        def call(this: Relay, lane: Lane, outcome: int | Exception) -> None:
            if isinstance(outcome, int):
                self.reach("ack.before")
            original(this, lane, outcome)
            if isinstance(outcome, int):
                self.reach("ack.after")

        return call


class _Between:
    """A call of a driver, which may be awaited or entered, between two places."""

    def __init__(self, instruments: _Instruments, place: str, call: Callable[[], Any]) -> None:
        self._instruments = instruments
        self._place = place
        self._call = call

    def __await__(self) -> Iterator[Any]:
        return self._awaited().__await__()

    async def __aenter__(self) -> Any:  # noqa: ANN401  the library's own form
        self._entered = self._call()
        self._instruments.reach(f"{self._place}.before")
        return await self._entered.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._entered.__aexit__(*error)
        self._instruments.reach(f"{self._place}.after")

    async def _awaited(self) -> Any:  # noqa: ANN401  the library's own form
        self._instruments.reach(f"{self._place}.before")
        result = await self._call()
        self._instruments.reach(f"{self._place}.after")
        return result


def _replace(owner: type | ModuleType, method: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, method)
    setattr(owner, method, functools.wraps(original)(around(original)))


def _place_of(sql: str, places: Mapping[str, str]) -> str | None:
    """Name a statement; None for one that is no place."""
    return next((name for name, pattern in places.items() if re.match(pattern, sql)), None)


if __name__ == "__main__":
    install()
    main()
