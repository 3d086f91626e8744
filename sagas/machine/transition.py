"""The machine: one function that says what an instance does when something happens to it.

Everything that decides the fate of an instance is in this file and in `taking.py`. Their law:

1. Total and deterministic. For every instance and signal there is a decision; a late, repeated or unknown signal
   returns the same instance and says why. Only a definition's own function raises.
2. Time comes in the signal. Ids and jitter are derived (`identity.py`), so the same decision made twice sends the
   same ids.
3. The state is the inbox. A reply is matched by causation id to a command still awaited; a second copy of any
   message finds nothing to do.
4. A step that times out is *unknown*: asking again reuses the id, giving up undoes it too. A failure is definitely
   not done: a retryable one is asked again under a new id; any other, or one too many, is a refusal.
5. Before the pivot a refusal, cancel, deadline or given-up timeout sends nothing more forward. What is in flight is
   awaited until it answers or times out; then everything that was or may have been done is undone, in the strict
   reverse of the definition, the members of a group together.
6. A pivot that refuses undoes; from the moment it is sent neither deadline nor cancel does, and an unknown pivot is
   asked until it answers. After it there is only forward. A retry used up there, or in a compensation, stalls.
7. One alarm, the earliest of all due times; whatever is due when a signal comes is acted upon.
8. While paused or stalled replies are recorded and nothing is sent. The outcome leaves once, with the transition
   that enters completed or compensated.

A turn has three movements: *take* what the signal says (`taking.py`), give up what is *overdue*, then *walk* the
definition in the instance's direction and send what is to be sent.
"""

from typing import Any, TypeVar, assert_never

from pydantic import BaseModel

from sagas.machine import identity
from sagas.machine.decision import Decision
from sagas.machine.definition import Branch, Node, Parallel, Saga, Step
from sagas.machine.failure import DEADLINE_PASSED, TIMED_OUT, Cause
from sagas.machine.instance import Direction, Instance, Leg, Progress, Status
from sagas.machine.signal import Signal, Start
from sagas.machine.taking import fail, take
from sagas.machine.turn import Turn

D = TypeVar("D", bound=BaseModel)

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
ASKED, DONE, REFUSED, UNKNOWN = Progress.ASKED, Progress.DONE, Progress.REFUSED, Progress.UNKNOWN


def transition(saga: Saga[Any, D], instance: Instance[D] | None, signal: Signal) -> Decision[D]:
    """Return what follows when `signal` happens to `instance` (None: not yet started, and only a start can).

    Pure: the same three values give the same decision. Raises only what the saga's own functions raise, and
    `LookupError` for a signal to an instance that does not exist.
    """
    if instance is None:
        turn = Turn(saga, _begin(saga, signal), signal.at)
    else:
        turn = Turn(saga, instance, signal.at)
        if reason := take(turn, signal):
            return Decision(instance, ignored=reason[0], reason=reason[1])
    if turn.is_active:
        _give_up_overdue(turn)
    if turn.is_active:
        _go_on(turn)
    return turn.decision()


def _begin(saga: Saga[Any, D], signal: Signal) -> Instance[D]:
    """Make the instance that a start asks for."""
    if not isinstance(signal, Start):
        message = f"saga {saga.name}: {type(signal).__name__} for an instance that was never started"
        raise LookupError(message)  # noqa: TRY004  no value has a wrong type: the instance is missing
    key = saga.correlate(signal.event)
    return Instance(
        id=identity.instance_id(saga.name, key),
        saga=saga.name,
        version=saga.version,
        key=key,
        status=Status.RUNNING,
        data=saga.begin(signal.event),
        steps={},
        choices={},
        started_at=signal.at,
        deadline_at=None if saga.deadline is None else signal.at + saga.deadline,
    )


# --- give up: what is overdue and may not be asked again -----------------------------------------------------------


def _give_up_overdue(turn: Turn[D]) -> None:
    """Act on the deadline, then on every timeout after which the command is not sent again."""
    if turn.deadline_passed and turn.status is Status.RUNNING:
        fail(turn, Cause(None, DEADLINE_PASSED, f"not past the pivot within {turn.saga.deadline}"))
    for name, leg in _overdue(turn, FORWARD):
        rule = turn.rule(name)
        if not (rule.step.is_pivot or rule.retry.allows(leg.sendings)):
            turn.put(name, FORWARD, UNKNOWN)
            fail(turn, _silence(turn, name, leg))
    if turn.status is Status.COMPENSATING:
        for name, _ in _overdue(turn, FORWARD):
            turn.put(name, FORWARD, UNKNOWN)
    for name, leg in _overdue(turn, COMPENSATION):
        if not turn.rule(name).step.compensate_retry.allows(leg.sendings):
            turn.put(name, COMPENSATION, UNKNOWN)
            turn.stall(_silence(turn, name, leg))


def _overdue(turn: Turn[D], direction: Direction) -> list[tuple[str, Leg]]:
    """Return the commands of one direction whose answer is overdue."""
    return [
        (name, leg)
        for name, run in turn.steps.items()
        if (leg := run.leg(direction)) and leg.progress is ASKED and turn.is_due(leg)
    ]


def _silence(turn: Turn[D], name: str, leg: Leg) -> Cause:
    """Say that a step did not answer."""
    return Cause(name, TIMED_OUT, f"no answer within {turn.rule(name).step.timeout}, sent {leg.sendings} times")


# --- walk: send what is to be sent ---------------------------------------------------------------------------------


def _go_on(turn: Turn[D]) -> None:
    """Walk in the instance's direction; at the end of the way tell the outcome."""
    if turn.status is Status.RUNNING:
        if _walk(turn, turn.saga.steps, FORWARD):
            turn.end(Status.COMPLETED, turn.saga.on_completed(turn.data))
    elif not turn.in_flight and _walk(turn, turn.saga.steps, COMPENSATION):
        assert turn.cause is not None, "a compensating instance has a cause"  # noqa: S101  for the type checker
        turn.end(Status.COMPENSATED, turn.saga.on_compensated(turn.data, turn.cause))


def _walk(turn: Turn[D], nodes: tuple[Node[D], ...], direction: Direction) -> bool:
    """Go through a sequence as far as it is settled, and send what stands next. True: all of it is settled."""
    in_order = nodes if direction is FORWARD else reversed(nodes)
    return all(_visit(turn, node, direction) for node in in_order)


def _visit(turn: Turn[D], node: Node[D], direction: Direction) -> bool:
    """Settle one node. The members of a group are all visited; those of a sequence up to the first unsettled."""
    match node:
        case Step():
            return _settle(turn, node, direction)
        case Parallel():
            return all([_visit(turn, member, direction) for member in node.nodes])  # noqa: C419  visit every member
        case Branch():
            return _walk(turn, _chosen(turn, node, direction), direction)
        case _:
            assert_never(node)


def _chosen(turn: Turn[D], node: Branch[D], direction: Direction) -> tuple[Node[D], ...]:
    """Return the branch's recorded choice, and make it the first time; on the way back nothing is chosen any more."""
    if node.name not in turn.choices:
        if direction is COMPENSATION:
            return ()
        turn.choices[node.name] = bool(node.predicate(turn.data))
    return node.nodes if turn.choices[node.name] else node.otherwise


def _settle(turn: Turn[D], step: Step[D], direction: Direction) -> bool:
    """Send a step's command if it is its turn or its time. True: nothing is left to do for it in this direction."""
    run = turn.steps.get(step.name)
    if direction is COMPENSATION:
        if run is None or run.forward.progress is REFUSED or step.compensate is None:
            return True
        leg = run.compensation
    else:
        leg = run.forward if run else None
    if leg is not None and leg.progress is DONE:
        return True
    if leg is None or turn.is_due(leg):
        turn.send(step, direction, leg)
    return False
