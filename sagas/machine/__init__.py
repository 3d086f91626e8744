"""The machine that advances instances of sagas, and the language that sagas are written in."""

from sagas.machine.decision import Decision, Ignored, Send
from sagas.machine.definition import Branch, Node, Parallel, Saga, Step, branch, parallel, pivot, step, walk
from sagas.machine.failure import CANCELLED, DEADLINE_PASSED, TIMED_OUT, Cause
from sagas.machine.identity import command_id, instance_id, outcome_id
from sagas.machine.instance import Direction, Instance, Leg, Progress, Status, StepRun
from sagas.machine.retry import FOREVER, ONCE, PATIENT, Retry
from sagas.machine.signal import Answer, Cancel, Obstruct, Pause, Resume, Signal, Start, Wake
from sagas.machine.snapshot import Snapshot, freeze, thaw
from sagas.machine.soundness import UnsoundSaga
from sagas.machine.transition import transition

__all__ = [
    "CANCELLED",
    "DEADLINE_PASSED",
    "FOREVER",
    "ONCE",
    "PATIENT",
    "TIMED_OUT",
    "Answer",
    "Branch",
    "Cancel",
    "Cause",
    "Decision",
    "Direction",
    "Ignored",
    "Instance",
    "Leg",
    "Node",
    "Obstruct",
    "Parallel",
    "Pause",
    "Progress",
    "Resume",
    "Retry",
    "Saga",
    "Send",
    "Signal",
    "Snapshot",
    "Start",
    "Status",
    "Step",
    "StepRun",
    "UnsoundSaga",
    "Wake",
    "branch",
    "command_id",
    "freeze",
    "instance_id",
    "outcome_id",
    "parallel",
    "pivot",
    "step",
    "thaw",
    "transition",
    "walk",
]
