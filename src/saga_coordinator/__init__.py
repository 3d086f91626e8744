"""A saga coordinator: runs business processes that span services, over Kafka, durable, compensated and traced.

What an author needs is imported from here. Each name is loaded when it is first asked for: the command line starts
without the machine.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saga_coordinator.contracts import Command, Done, Event, Failure, Reply
    from saga_coordinator.sagas import (
        CANCELLED,
        DEADLINE_PASSED,
        FOREVER,
        ONCE,
        PATIENT,
        TIMED_OUT,
        Cause,
        Retry,
        Saga,
        UnsoundSaga,
        alternatives,
        branch,
        delay,
        for_each,
        parallel,
        pivot,
        receive,
        series,
        step,
    )
    from saga_coordinator.sagas.language.nodes import Delay, Receive
    from saga_coordinator.sagas.machine import Ignored, Status
    from saga_coordinator.sagas.testing.scenario import Scenario, given

_WORDS = ["Command", "Done", "Event", "Failure", "Reply"]
_ELSEWHERE = {
    "Delay": "sagas.language.nodes",
    "Ignored": "sagas.machine",
    "Receive": "sagas.language.nodes",
    "Scenario": "sagas.testing.scenario",
    "Status": "sagas.machine",
    "given": "sagas.testing.scenario",
}

__all__ = [
    "CANCELLED", "DEADLINE_PASSED", "FOREVER", "ONCE", "PATIENT", "TIMED_OUT", "Cause", "Command", "Delay", "Done",
    "Event", "Failure", "Ignored", "Receive", "Reply", "Retry", "Saga", "Scenario", "Status", "UnsoundSaga",
    "alternatives", "branch", "delay", "for_each", "given", "parallel", "pivot", "receive", "series", "step",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Load a name (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "contracts" if name in _WORDS else _ELSEWHERE.get(name, "sagas")
    return getattr(import_module(f"{__name__}.{module}"), name)
