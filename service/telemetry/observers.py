"""Several who watch, as one: what one of them raises is logged, and keeps nobody else from watching."""

from collections.abc import Callable

from saga_coordinator.handlers.ports import Observer
from saga_coordinator.handlers.records import Committed
from saga_coordinator.service.telemetry.logs import logger
from saga_coordinator.service.telemetry.rate_limit import RateLimit


class Observers:
    """An observer that passes everything on, in order: `Observers(telemetry, display)`."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self._guard = Guard()

    def committed(self, turn: Committed) -> None:
        """Let everybody learn of a committed transaction."""
        for each in self._observers:
            self._guard.call(each.committed, turn)

    def on_error(self, what: str, error: BaseException) -> None:
        """Let everybody learn that something did not work and will be tried again."""
        for each in self._observers:
            self._guard.call(each.on_error, what, error)


class Guard:
    """Calls those who watch. A fault of theirs must not become one of the coordinator's: the commit is done."""

    def __init__(self) -> None:
        self._rate_limit = RateLimit()

    def call(self, listener: Callable[..., None], *told: object) -> None:
        """Call a listener; log what it raises, at most once a second."""
        try:
            listener(*told)
        except Exception as error:  # noqa: BLE001  whatever it is: see above
            name = getattr(listener, "__qualname__", repr(listener))
            if self._rate_limit.suppressed(name) is not None:
                logger().error(f"{name} failed: what it was told is not traced, measured or shown", exc_info=error)
