"""What is declared of a saga, as the linter and the compiler read it: neither of them knows the class `Saga`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import D, Node


class Declaration(Protocol[D]):
    """The attributes of a saga."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def starts_on(self) -> type[Any]: ...
    @property
    def cancel_on(self) -> type[Event] | None: ...
    @property
    def correlate(self) -> Callable[[Any], str]: ...
    @property
    def begin(self) -> Callable[[Any], D]: ...
    @property
    def steps(self) -> tuple[Node[D], ...]: ...
    @property
    def deadline(self) -> timedelta | Callable[[D], datetime] | None: ...
    @property
    def on_completed(self) -> Callable[[D], Event] | Callable[[D], Reply]: ...
    @property
    def on_compensated(self) -> Callable[[D, Cause], Event] | Callable[[D, Cause], Failure] | None: ...
