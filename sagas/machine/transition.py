"""The machine: one function that returns what an instance does when a signal arrives.

Everything that decides about an instance is in this file, and in `signals.py`, `interventions.py` and `ending.py`.
Their law:

1. Total and deterministic. For every instance and signal there is a decision; a late, repeated or unknown signal
   returns the same instance and the reason. Only a definition's own function raises.
2. Time comes in the signal. Ids and jitter are derived (`ids.py`), so the same decision made twice sends the same ids.
3. The state is the inbox. A reply is matched by causation id to a command still awaited, an event to the receive that
   waits for it; a second copy of any message finds nothing to do.
4. A step that times out is *unknown*: sending again reuses the id, giving up compensates it too. A failure is
   definitely not done: a retryable one is sent again under a new id; any other, or one too many, is a refusal. A
   command that is still in the outbox at its timeout (Kafka is away) gets its timeout again: nobody failed to answer.
5. Before the pivot a refusal, cancel, deadline or given-up timeout sends nothing more forward. What is in flight is
   awaited until it answers or times out; then everything that was or may have been done is compensated, in the strict
   reverse of the definition, the members of a group together. Within `alternatives` that holds for the alternative
   that failed, and then the next one is tried.
6. A pivot that refuses compensates; from the moment it is sent neither deadline nor cancel does, and an unknown pivot
   is sent until it answers. After it there is only forward. A retry used up there, or in a compensation, stalls.
7. One timer, the earliest of all due times; whatever is due when a signal arrives is acted upon. While parked nothing
   is due: the instance waits behind a record that failed for it, and what it waits for may be queued there.
8. While paused or stalled replies are recorded and nothing is sent. The outcome leaves once, with the transition
   that enters completed or compensated.
9. An operator action is a signal like any other, with who and why, and is refused where it makes no sense.

A transition has three movements: *apply* the signal (`signals.py`), give up what is *overdue*, then *walk* the
definition in the instance's direction and send what is to be sent.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, assert_never

from saga_coordinator.sagas.language.cause import DEADLINE_PASSED, TIMED_OUT, Cause
from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    D,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
    with_zone,
)
from saga_coordinator.sagas.language.plan import Plan
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.language.wording import format_duration, format_times
from saga_coordinator.sagas.machine import ids
from saga_coordinator.sagas.machine.decision import Decision
from saga_coordinator.sagas.machine.draft import Draft
from saga_coordinator.sagas.machine.ending import end, fail
from saga_coordinator.sagas.machine.instance import Attempt, CommandState, Direction, Instance, Progress, Status
from saga_coordinator.sagas.machine.progress import may_have_effect
from saga_coordinator.sagas.machine.signal import Park, Signal, Start, Unpark
from saga_coordinator.sagas.machine.signals import apply

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
ASKED, DONE, REFUSED, UNKNOWN = Progress.ASKED, Progress.DONE, Progress.REFUSED, Progress.UNKNOWN


def transition(saga: Saga[Any, D], instance: Instance[D] | None, signal: Signal) -> Decision[D]:
    """Return what follows when `signal` arrives at `instance` (None: not yet started, and only a start can start it).

    Pure: the same three values give the same decision. Raises only what the saga's own functions raise, and
    `LookupError` for a signal to an instance that does not exist.
    """
    if instance is None:
        return _decide(Draft(saga.plan, _begin(saga, signal), signal.at))
    return transition_by(saga.plan, instance, signal)


def transition_by(plan: Plan[D], instance: Instance[D], signal: Signal) -> Decision[D]:
    """Return what follows, by a plan, when `signal` arrives at an instance that has started."""
    draft = Draft(plan, instance, signal.at)
    if reason := apply(draft, signal):
        return Decision(instance, ignored=reason[0], reason=reason[1])
    if isinstance(signal, Park | Unpark):
        return draft.decision()  # what is overdue is acted upon after the records that waited
    return _decide(draft)


def _decide(draft: Draft[D]) -> Decision[D]:
    if draft.is_active and draft.parked_at is None:
        _give_up_overdue(draft)
    if draft.is_active:
        _continue(draft)
    return draft.decision()


def _begin(saga: Saga[Any, D], signal: Signal) -> Instance[D]:
    if not isinstance(signal, Start):
        message = f"saga {saga.name}: {type(signal).__name__} for an instance that was never started"
        raise LookupError(message)  # noqa: TRY004  no value has a wrong type: the instance is missing
    key, data = saga.correlate(signal.event), saga.plan.data.accept(saga.begin(signal.event), None, saga.begin)
    return Instance(
        id=ids.instance_id(saga.name, signal.command_id or key),
        saga=saga.name,
        version=saga.version,
        key=key,
        status=Status.RUNNING,
        data=data,
        steps={},
        choices={},
        started_at=signal.at,
        deadline_at=_deadline(saga, data, signal.at),
    )


def _deadline(saga: Saga[Any, D], data: D, started_at: datetime) -> datetime | None:
    match saga.deadline:
        case None:
            return None
        case timedelta() as span:
            return started_at + span
        case from_data:
            return with_zone(from_data(data), f"saga {saga.name}: its deadline")


# --- give up: what is overdue and may not be asked again -----------------------------------------------------------


def _give_up_overdue(draft: Draft[D]) -> None:
    """Act on the deadline, then on every due wait, then on every timeout that no retry follows."""
    deadline_at = draft.deadline_at
    if deadline_at is not None and deadline_at <= draft.at and draft.status is Status.RUNNING:
        within = deadline_at - draft.instance.started_at
        fail(draft, None, Cause(None, DEADLINE_PASSED, f"not past the pivot within {format_duration(within)}"))
    _fire_waits(draft)
    overdue, undos = _overdue(draft)
    for name, command in overdue:
        step_plan = draft.plan.step(name)
        may_retry = step_plan.step.is_pivot or step_plan.retry.allows(command.sendings, draft.spent(command))
        if not may_retry and draft.goes_forward(name):
            draft.set_progress(name, FORWARD, UNKNOWN)
            fail(draft, name, _timed_out_cause(name, command))
    for name, _ in overdue:
        if draft.is_active and not draft.goes_forward(name):
            draft.set_progress(name, FORWARD, UNKNOWN)
    for name, undo in undos:
        if not draft.plan.step(name).step.compensate_retry.allows(undo.sendings, draft.spent(undo)):
            draft.set_progress(name, COMPENSATION, UNKNOWN)
            draft.enter_stalled(_timed_out_cause(name, undo))


def _fire_waits(draft: Draft[D]) -> None:
    """Complete every due delay, and fail every receive whose event did not come in time."""
    for name, wait in tuple(draft.waits.items()):
        if wait.progress is not ASKED or wait.due_at > draft.at or not draft.goes_forward(name):
            continue
        if wait.address is None:
            draft.end_wait(name, DONE)
        else:
            draft.end_wait(name, REFUSED)
            fail(draft, name, Cause(name, TIMED_OUT, f"no event from {wait.since} to {wait.due_at}"))


def _overdue(draft: Draft[D]) -> tuple[list[tuple[str, CommandState]], list[tuple[str, CommandState]]]:
    """Return the commands whose reply is overdue, and the compensations. One pass: every transition pays for it."""
    commands: list[tuple[str, CommandState]] = []
    undos: list[tuple[str, CommandState]] = []
    for name, run in draft.steps.items():
        command, undo = run.forward, run.compensation
        if command.progress is ASKED and draft.is_due(command):
            commands.append((name, command))
        if undo is not None and undo.progress is ASKED and draft.is_due(undo):
            undos.append((name, undo))
    return commands, undos


def _timed_out_cause(name: str, command: CommandState) -> Cause:
    within = f" within {format_duration(command.due_at - command.asked_at)}" if command.due_at else ""
    return Cause(name, TIMED_OUT, f"no answer{within}, sent {format_times(command.sendings)}")


# --- walk: send what is to be sent ---------------------------------------------------------------------------------


def _continue(draft: Draft[D]) -> None:
    """Walk in the instance's direction; end the instance when all is settled."""
    if draft.status is Status.RUNNING:
        if _walk(draft, draft.plan.nodes, FORWARD):
            end(draft, Status.COMPLETED)
    elif draft.cause is not None and _undo(draft, draft.plan.nodes, None, draft.cause):
        end(draft, Status.COMPENSATED)


def _undo(draft: Draft[D], nodes: tuple[Node[D], ...], leaves: Collection[str] | None, cause: Cause) -> bool:
    """Compensate nodes once none of their steps is in flight; child sagas that may be at work are cancelled.

    A compensation that was sent continues in any case: it need not be next on the walk, for a late success may have
    put another step before it.
    """
    in_flight = False
    for name, run in draft.within(leaves):
        in_flight = in_flight or run.forward.progress is ASKED
        if run.forward.progress is ASKED or run.forward.progress is UNKNOWN:
            draft.withdraw(name, run.forward, cause)
        if run.compensation is not None and draft.is_due(run.compensation):
            draft.send(draft.plan.step(name).step, COMPENSATION, name)
    return not in_flight and _walk(draft, nodes, COMPENSATION)


def _walk(draft: Draft[D], nodes: tuple[Node[D], ...], direction: Direction) -> bool:
    """Go through a sequence as far as it is settled, and send what stands next. True: all of it is settled."""
    for node in nodes if direction is FORWARD else reversed(nodes):  # noqa: SIM110  a generator costs twice as much
        if not _visit(draft, node, direction):
            return False
    return True


def _visit(draft: Draft[D], node: Node[D], direction: Direction) -> bool:
    """Settle one node. The members of a group are all visited; those of a sequence up to the first unsettled one."""
    match node:
        case Step():
            return _advance_step(draft, node, direction, node.name)
        case ForEach():
            return _advance_list(draft, node, direction)
        case Receive() | Delay():
            return direction is COMPENSATION or _advance_wait(draft, node)
        case Series():
            return _walk(draft, node.nodes, direction)
        case Parallel():
            return all([_visit(draft, member, direction) for member in node.nodes])  # noqa: C419  visit every member
        case Branch():
            return _walk(draft, _chosen(draft, node, direction), direction)
        case Alternatives():
            return _try_alternatives(draft, node, direction)
        case _:
            assert_never(node)


def _chosen(draft: Draft[D], node: Branch[D], direction: Direction) -> tuple[Node[D], ...]:
    """Return the sequence that a branch has chosen. Forward it chooses the first time; compensating it never does."""
    if direction is FORWARD and node.name not in draft.choices:
        draft.choices[node.name] = bool(node.predicate(draft.data))
    return node.taken(draft.choices) or ()


def _try_alternatives(draft: Draft[D], node: Alternatives[D], direction: Direction) -> bool:
    """Continue with the alternative that is tried; one that has failed is compensated first, then comes the next."""
    if direction is COMPENSATION:
        attempt = draft.attempts.get(node.name)
        return attempt is None or _walk(draft, node.nodes[: attempt.number + 1], COMPENSATION)
    attempt = draft.attempts.setdefault(node.name, Attempt())
    while attempt.cause is not None:
        failed = node.nodes[attempt.number : attempt.number + 1]
        if not _undo(draft, failed, draft.plan.leaves_in(node.name, attempt.number), attempt.cause):
            return False
        attempt = draft.attempts[node.name] = Attempt(attempt.number + 1)
    return _visit(draft, node.nodes[attempt.number], FORWARD)


def _advance_list(draft: Draft[D], node: ForEach[D], direction: Direction) -> bool:
    """Settle the steps of a list: continue those in flight, then begin others in its order up to the limit."""
    if direction is FORWARD and node.name not in draft.lists:
        draft.list_items(node)
    unsettled, ahead = 0, []
    for name in draft.lists.get(node.name, ()):
        run = draft.steps.get(name)
        command = run.command_state(direction) if run else None
        if command is None:
            ahead.append(name)
        elif command.progress is not DONE:
            unsettled += not _advance_step(draft, node.step, direction, name)
    for name in ahead:
        if unsettled == node.limit:
            return False
        unsettled += not _advance_step(draft, node.step, direction, name)
    return unsettled == 0


def _advance_wait(draft: Draft[D], node: Receive[D] | Delay[D]) -> bool:
    """Begin to wait, the first time. True: what it waits for has come."""
    if node.name not in draft.waits:
        draft.wait(node)
        if isinstance(node, Delay) and draft.waits[node.name].due_at <= draft.at:
            draft.end_wait(node.name, DONE)
    return draft.waits[node.name].progress is DONE


def _advance_step(draft: Draft[D], step: Step[D], direction: Direction, name: str) -> bool:
    """Send a step's command if it is next or due. True: nothing is left to do for it in this direction."""
    run = draft.steps.get(name)
    if direction is COMPENSATION:
        if run is None or step.compensate is None or not may_have_effect(run.forward, step):
            return True
        command = run.compensation
    else:
        command = run.forward if run else None
    if command is not None and command.progress is DONE:
        return True
    if command is None or draft.is_due(command):
        draft.send(step, direction, name)
    return False
