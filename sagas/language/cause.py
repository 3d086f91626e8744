"""Why an instance compensates or stalls."""

from dataclasses import dataclass

TIMED_OUT = "timed-out"
CANCELLED = "cancelled"
DEADLINE_PASSED = "deadline-passed"


@dataclass(frozen=True, slots=True)
class Cause:
    """`step` is where it failed (None: cancelled, or past the deadline); `code` is the participant's, or one above."""

    step: str | None
    code: str
    message: str
