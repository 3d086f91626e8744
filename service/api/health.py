"""What works and what does not, by named checks that the loops report."""


class Health:
    """Named checks. One that was never reported ok is failing."""

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}
        self.is_started = False

    def ok(self, name: str) -> None:
        """Report that a check passes."""
        self._failing.pop(name, None)

    def failing(self, name: str, why: str) -> None:
        """Report that a check fails, and why."""
        self._failing[name] = why

    def started(self) -> None:
        """Report that start-up is over."""
        self.is_started = True
