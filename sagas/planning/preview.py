"""What a signal would do to an instance: the decision of the machine, which is not carried out."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saga_coordinator.sagas.language.nodes import Alternatives, D, Delay, ForEach, Receive, Step, walk
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine import (
    Attempt,
    Cancel,
    Ignored,
    Instance,
    Progress,
    Send,
    Signal,
    Status,
    StepRun,
    Withdrawal,
    transition,
)
from saga_coordinator.sagas.planning.undo_plan import UndoPlan, undo_plan

ENDS = {Status.RUNNING: Status.COMPLETED, Status.COMPENSATING: Status.COMPENSATED}
"""Where an instance ends if every participant succeeds; from any other status it stays there."""

MAY_BE_DONE = {Progress.ASKED, Progress.DONE, Progress.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would follow from a signal. When it is refused nothing would, and `reason` says why.

    `sends` and `withdraws` leave at once, `status` follows at once, and `waits` are the receives and delays that are
    waited for from then on. Then the replies of the steps in `awaits` are awaited, and the steps in `undoes` are
    compensated: each wave when the one before it is acknowledged, its members together. An alternative that is given
    up for the next one is compensated so, and `tries` are the leaves of the next. `ends` is the final status,
    `stalled` if an operator has to act again. These four hold if every participant succeeds; while `is_paused` they
    wait for a resume. `not_undone` names what was or may have been done and is not compensated, with the reason, when
    the instance compensates or was to compensate.
    """

    refused: Ignored | None
    reason: str | None
    status: Status
    is_paused: bool
    sends: tuple[Send, ...]
    withdraws: tuple[Withdrawal, ...]
    waits: tuple[str, ...]
    tries: tuple[str, ...]
    awaits: tuple[str, ...]
    undoes: tuple[tuple[str, ...], ...]
    not_undone: Mapping[str, str]
    ends: Status


def preview(saga: Saga[Any, D], instance: Instance[D], signal: Signal) -> Preview:
    """Return what would follow from a signal. Pure; raises what the saga's own functions would raise at once."""
    decision = transition(saga, instance, signal)
    back = UndoPlan() if decision.ignored else undo_plan(saga, decision.instance, signal.at)
    undone = {name for wave in back.waves for name in wave}
    turns = isinstance(signal, Cancel) or decision.instance.status not in {Status.RUNNING, Status.COMPLETED}
    return Preview(
        refused=decision.ignored,
        reason=decision.reason,
        status=decision.instance.status,
        is_paused=decision.instance.paused_at is not None,
        sends=decision.commands,
        withdraws=decision.withdrawals,
        waits=tuple(name for name in decision.instance.waits if name not in instance.waits),
        tries=tuple(_tried_next(saga, instance, decision.instance)),
        awaits=back.awaits,
        undoes=back.waves,
        not_undone=dict(_not_undone(saga, decision.instance, undone)) if turns else {},
        ends=ENDS.get(decision.instance.status, decision.instance.status),
    )


def _tried_next(saga: Saga[Any, D], before: Instance[D], after: Instance[D]) -> Iterator[str]:
    """Yield the leaves of the alternatives that come next because the one before them was given up."""
    for node in walk(saga.steps):
        if isinstance(node, Alternatives) and node.name in before.attempts:
            was, now = (_following(each.attempts[node.name]) for each in (before, after))
            if was < now:
                leaves = (Step, ForEach, Receive, Delay)
                yield from (leaf.name for leaf in walk((node.nodes[now],)) if isinstance(leaf, leaves))


def _following(attempt: Attempt) -> int:
    """Return the number of the alternative that is tried, or will be when what has failed is undone."""
    return attempt.number + (attempt.cause is not None)


def _not_undone(saga: Saga[Any, D], instance: Instance[D], undone: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the steps that were or may have been done, changed something, and are not compensated; with the reason."""
    for name, run in instance.steps.items():
        is_settled = run.compensation is not None and run.compensation.progress is Progress.DONE
        if name in undone or is_settled or run.forward.progress not in MAY_BE_DONE or saga.plan.step(name).command.safe:
            continue
        yield name, _why_not_undone(saga, instance, name, run)


def _why_not_undone(saga: Saga[Any, D], instance: Instance[D], name: str, run: StepRun) -> str:
    step = saga.plan.step(name).step
    if step.is_pivot:
        return "the pivot: there is no way back from it"
    if step.compensate is None:
        return "it has no compensation"
    if run.forward.progress is Progress.UNKNOWN and not step.undo_when_unknown:
        return "it did not answer, by which its participant guarantees that it is not done"
    if run.compensation is not None and run.compensation.progress in {Progress.REFUSED, Progress.UNKNOWN}:
        return "its compensation was given up"
    return f"the instance is {instance.status}: nothing is undone without an operator"
