"""The machine that advances instances of sagas: signals in, decisions out."""

from saga_coordinator.sagas.machine.decision import Decision, Ignored, Send, Withdrawal
from saga_coordinator.sagas.machine.ending import outcome_of
from saga_coordinator.sagas.machine.ids import address, command_id, instance_id, outcome_id
from saga_coordinator.sagas.machine.instance import (
    Attempt,
    CommandState,
    Direction,
    Instance,
    Progress,
    Status,
    StepRun,
    WaitState,
    command_states,
)
from saga_coordinator.sagas.machine.signal import (
    Block,
    Cancel,
    EventReceived,
    OperatorAction,
    Park,
    Pause,
    ReplyReceived,
    Resolve,
    Resume,
    RetryStep,
    Signal,
    SkipStep,
    Start,
    TimerFired,
    Unpark,
)
from saga_coordinator.sagas.machine.snapshot import Snapshot, freeze, thaw
from saga_coordinator.sagas.machine.transition import transition

__all__ = [
    "Attempt", "Block", "Cancel", "CommandState", "Decision", "Direction", "EventReceived", "Ignored",
    "Instance", "OperatorAction", "Park", "Pause", "Progress", "ReplyReceived", "Resolve", "Resume", "RetryStep",
    "Send", "Signal", "SkipStep", "Snapshot", "Start", "Status", "StepRun", "TimerFired", "Unpark", "WaitState",
    "Withdrawal", "address", "command_id", "command_states", "freeze", "instance_id", "outcome_id", "outcome_of",
    "thaw", "transition",
]  # fmt: skip
