"""Whether the coordinator can do its work: checks before its start, and named checks that its loops report on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

KAFKA = "kafka"
"""The consumer has its partitions, and the broker answers."""
PUBLISHER = "publisher"
"""The producer is connected, and every topic exists."""
STORE = "store"
"""The database commits transactions."""

CHECKS = (KAFKA, PUBLISHER, STORE)
"""The checks that readiness depends on."""

NOT_REPORTED = "not reported yet"


@dataclass(frozen=True, slots=True)
class Check:
    """The last report on one thing that the coordinator needs. `since` is when it began to pass or to fail, in UTC."""

    name: str
    is_ok: bool
    since: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check before the start. `remedy` says what to do if it failed, else it is None.

    A warning has a remedy too, and is no failure: the service can run without it.
    """

    check: str
    detail: str
    remedy: str | None = None
    is_warning: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the check passed, if need be with a warning."""
        return self.remedy is None or self.is_warning


def _now() -> datetime:
    return datetime.now(UTC)


class Health:
    """The checks that readiness depends on. One that is named beforehand fails until it is reported ok."""

    def __init__(self, names: Iterable[str] = (), now: Callable[[], datetime] = _now) -> None:
        self._now = now
        self._checks = {name: Check(name, is_ok=False, since=now(), reason=NOT_REPORTED) for name in names}
        self._is_started = False

    def ok(self, name: str) -> None:
        self._report(name, None)

    def failing(self, name: str, reason: str) -> None:
        """Report that a check fails, and why: what is wrong, where, and what to do."""
        self._report(name, reason)

    def started(self) -> None:
        self._is_started = True

    def holds(self, name: str) -> bool:
        """Return whether a check passes."""
        return self._checks[name].is_ok

    @property
    def is_started(self) -> bool:
        return self._is_started

    @property
    def is_ready(self) -> bool:
        """Return whether start-up is complete and every check passes."""
        return self._is_started and all(check.is_ok for check in self._checks.values())

    @property
    def checks(self) -> tuple[Check, ...]:
        """Return all checks, in the order in which they were first named."""
        return tuple(self._checks.values())

    def _report(self, name: str, reason: str | None) -> None:
        """Record a report; `since` changes only when a check begins to pass or to fail."""
        before = self._checks.get(name)
        is_same = before is not None and before.is_ok is (reason is None)
        since = before.since if before is not None and is_same else self._now()
        self._checks[name] = Check(name, is_ok=reason is None, since=since, reason=reason)
