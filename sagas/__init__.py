"""The author's door: the words that a saga is written in, and what its functions and tests need."""

from saga_coordinator.sagas.language.cause import CANCELLED, DEADLINE_PASSED, TIMED_OUT, Cause
from saga_coordinator.sagas.language.lint.linter import UnsoundSaga
from saga_coordinator.sagas.language.retry import FOREVER, ONCE, PATIENT, Retry
from saga_coordinator.sagas.language.saga import (
    Saga,
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

__all__ = [
    "CANCELLED", "DEADLINE_PASSED", "FOREVER", "ONCE", "PATIENT", "TIMED_OUT", "Cause", "Retry", "Saga", "UnsoundSaga",
    "alternatives", "branch", "delay", "for_each", "parallel", "pivot", "receive", "series", "step",
]  # fmt: skip
