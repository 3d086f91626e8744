"""The system clock."""

from datetime import UTC, datetime


class SystemClock:
    """The clock of the operating system; see `saga_coordinator.handlers.ports.Clock`."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)
