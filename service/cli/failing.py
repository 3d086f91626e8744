"""What may be expected to go wrong ends in a sentence and exit code 1; anything else keeps its traceback."""

import errno
from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup


class Verbs(TyperGroup):
    """The verbs of `saga`, all beneath the same handling of errors."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  typer keeps the type of its context to itself
        """Run the verb that was asked for."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            reasons = list(_reasons(error))
            if None in reasons:
                raise
            from saga_coordinator.service.cli.console import fail  # noqa: PLC0415  only a failure pays for it

            fail("\nsaga: ".join(str(each) for each in reasons))


def _reasons(error: BaseException) -> Iterator[str | None]:
    """Say in sentences why something failed; None stands for what nobody has expected."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _reasons(each)
    elif isinstance(error, _expected()) and not _of_a_broken_pipe(error):
        yield str(error) or type(error).__name__
    else:
        yield None


def _expected() -> tuple[type[BaseException], ...]:
    """Return what the world, the settings or a saga's author can cause. Each says in its message what to do."""
    import sqlite3  # noqa: PLC0415  only a failure pays for these imports

    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from saga_coordinator.handlers.routing import BadCatalog  # noqa: PLC0415
    from saga_coordinator.sagas import UnsoundSaga  # noqa: PLC0415
    from saga_coordinator.service.app.run import ShutdownTimeout  # noqa: PLC0415
    from saga_coordinator.service.errors import StoreError  # noqa: PLC0415
    from saga_coordinator.service.kafka.admin import NoSuchTopic  # noqa: PLC0415

    return (UnsoundSaga, BadCatalog, NoSuchTopic, StoreError, ShutdownTimeout, KafkaError, sqlite3.Error, OSError)


def _of_a_broken_pipe(error: BaseException) -> bool:
    """Say whether the reader of our output has gone: typer ends such a run quietly."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE
