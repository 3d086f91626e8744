"""Sagas whose functions raise for as long as a test wants them to, and what is said to them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from saga_coordinator.handlers.records import Actor, OutboxMessage, Record
from saga_coordinator.sagas import Saga, parallel, step
from saga_coordinator.sagas.machine import instance_id
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import Log

T = TypeVar("T")

OLGA = Actor("olga", "the definition is corrected")
BAD = instance_id("made", "bad")


@dataclass
class Fault:
    """What is broken: functions raise for the keys that stand in it."""

    keys: set[str] = field(default_factory=lambda: {"bad"})
    words: str = "on purpose"

    def __call__(self, function: Callable[..., T]) -> Callable[..., T]:
        @wraps(function)
        def wrapped(first: Any, *more: Any) -> T:  # noqa: ANN401  data or event, and what comes with it
            if (first.key if hasattr(first, "key") else first.trip) in self.keys:
                raise ArithmeticError(self.words)
            return function(first, *more)

        return wrapped

    def heal(self) -> None:
        """Correct the definition."""
        self.keys.clear()


def wide(*faults: Fault) -> Saga[saga_kit.Begun, saga_kit.Data]:
    """Steps a, b, … at once, each with the fault of its `remember`; then a step without one."""
    steps = []
    for name, fault in zip("abcdefgh", faults, strict=False):
        whole = saga_kit.compensatable(name)
        steps.append(step(name, whole.send, remember=fault(saga_kit.remembers(name)), compensate=whole.compensate))
    return saga_kit.saga(parallel(*steps), saga_kit.compensatable("z"))


def that_begins(fault: Fault) -> Saga[saga_kit.Begun, saga_kit.Data]:
    """A saga whose `begin` is broken."""
    return replace(wide(NO_FAULT, NO_FAULT), begin=fault(saga_kit.begin))


NO_FAULT = Fault(set())

_LINE = 1 + Path(__file__).read_text(encoding="utf-8").splitlines().index(
    " " * 16 + "raise ArithmeticError(self.words)"
)
RAISED = f"saga made raised ArithmeticError: on purpose (in step a: remember remember, {__file__}:{_LINE})"
"""The cause of a record for which the first step's function raised."""


OF_CATALOG = Fault()
catalog = (wide(OF_CATALOG, NO_FAULT),)
"""For `SAGA_CATALOG`: a saga that a test in the same process breaks and corrects."""


class Two:
    """The instances `bad` and `good` of a saga, and what their participants say."""

    def __init__(self, it: Coordinator) -> None:
        self.it = it
        self.log = Log()

    async def begin(self) -> "Two":
        await self.it.take(*(self.log.event(saga_kit.Begun(key=key), key) for key in ("bad", "good")))
        return self

    def command(self, name: str, key: str = "bad") -> OutboxMessage:
        return self.it.sent(f"made.do-{name}.v1", key)[-1]

    def says(self, name: str, key: str = "bad") -> Record:
        """The reply of a step's participant."""
        return self.log.says(self.command(name, key), saga_kit.Did(word=name))

    def stopped(self) -> Record:
        """The event that cancels the bad one."""
        return self.log.event(saga_kit.Stopped(key="bad"), "bad")

    def seen(self) -> list[str]:
        """What the bad one remembers, in the order in which it came."""
        ((data,),) = self.it.rows("SELECT json_extract(data, '$.seen') FROM instance WHERE correlation = 'bad'")
        return [each.split(":")[0] for each in data.strip("[]").replace('"', "").split(",") if each]
