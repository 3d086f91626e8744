"""What the environment, the settings or the author of a saga can cause to fail, in sentences that say what to do."""

import errno
from collections.abc import Iterator


def reasons(error: BaseException) -> Iterator[str | None]:
    """Yield why something failed, in sentences; None for an error that no user can cause."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from reasons(each)
    elif type(error) is LookupError or (isinstance(error, _expected()) and not _is_broken_pipe(error)):
        yield str(error) or type(error).__name__
    else:
        yield None


def _expected() -> tuple[type[BaseException], ...]:
    """Return what is expected to fail. The message says what to do."""
    # ruff: noqa: PLC0415  only a failure pays for these imports
    from saga_coordinator.handlers.routing import BadCatalog
    from saga_coordinator.sagas import UnsoundSaga
    from saga_coordinator.service.app.run import ShutdownTimeout
    from saga_coordinator.service.errors import StoreError
    from saga_coordinator.service.kafka.admin import NoSuchTopic
    from saga_coordinator.service.kafka.errors import ClientError

    return (UnsoundSaga, BadCatalog, NoSuchTopic, ShutdownTimeout, StoreError, ClientError, OSError)


def _is_broken_pipe(error: BaseException) -> bool:
    """Return whether the reader of the output has gone: typer ends such a run quietly."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE
