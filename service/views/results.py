"""The results of operator actions, on instances, dead letters and positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from saga_coordinator.handlers.records import Place, SetPosition
from saga_coordinator.handlers.redrive import Outcome, RecordOutcome, Result, types_sent
from saga_coordinator.sagas.machine import Decision, Status
from saga_coordinator.service.views.values import view


class ActionEnd(StrEnum):
    """How an action on an instance ended. Only one that is followed can fail again, or wait still."""

    ADVANCED = "advanced"
    FAILED = "failed again"
    WAITING = "still waiting"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What an action did to an instance, and why; `sent` are types of messages."""

    end: ActionEnd
    why: str | None
    status: Status
    paused: bool
    sent: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterResult:
    """What an action did to a dead letter and to the records behind it."""

    end: Outcome
    why: str | None
    records: Sequence[RecordOutcome]
    sent: Sequence[str]
    parked_behind: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionResult:
    """From where a partition is read."""

    topic: str
    partition: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class PositionsResult:
    """From where the partitions of a topic are read."""

    positions: Sequence[PositionResult]


def result_of(
    done: Decision[Any] | Result | Sequence[SetPosition],
) -> ActionResult | DeadLetterResult | PositionsResult:
    if isinstance(done, Sequence):
        return PositionsResult([view(PositionResult, each.at, next_offset=each.next_offset) for each in done])
    if isinstance(done, Result):
        return view(DeadLetterResult, done, end=done.outcome, parked_behind=done.head)
    return ActionResult(
        end=ActionEnd.REFUSED if done.ignored else ActionEnd.ADVANCED,
        why=done.reason,
        status=done.instance.status,
        paused=done.instance.paused_at is not None,
        sent=tuple(types_sent(done)),
    )
