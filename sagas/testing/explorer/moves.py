"""What may happen next in a world: what goes well, and every fault that may come instead."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import product

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.machine import (
    Cancel,
    Direction,
    EventReceived,
    ReplyReceived,
    Signal,
    Status,
    TimerFired,
    address,
)
from saga_coordinator.sagas.testing.explorer.samples import Samples, keyed
from saga_coordinator.sagas.testing.explorer.world import Misbehaviour, World
from saga_coordinator.sagas.testing.invariants.ledger import FORWARD, CommandKey, CommandRecord, Ledger

MAX_UNANSWERED = 3
"""After so many sendings a participant that is asked without limit answers: otherwise no story would end."""

RETRY_AFTER = 600.0
"""What a busy participant asks for, in seconds."""

NO = Failure(code="refused", message="", retryable=False)
BUSY = Failure(code="busy", message="", retryable=True)
BUSY_FOR_LONG = Failure(code="busy", message="", retryable=True, retry_after=RETRY_AFTER)
WITHDRAWN = Failure(code="withdrawn", message="", retryable=False)


class Fault(StrEnum):
    """What may go wrong at a step, at its undo, at a wait, or in the whole."""

    NONE = "succeeds"
    REFUSES = "refuses"
    BUSY_ONCE = "fails, then succeeds"
    BUSY = "retries used up"
    LATE = "times out, answers late"
    SILENT = "times out, never answers"
    AT_THE_INSTANT = "answers as it times out"
    NEVER = "event never comes"
    CANCEL = "cancelled at any moment"
    DEADLINE = "deadline at any moment"


_BEHAVIOURS = {
    Fault.BUSY: Misbehaviour.BUSY,
    Fault.LATE: Misbehaviour.LATE,
    Fault.SILENT: Misbehaviour.SILENT,
    Fault.NEVER: Misbehaviour.SILENT,
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault where it hits; `step` None: the instance as a whole."""

    step: str | None
    direction: Direction
    fault: Fault


@dataclass(frozen=True, slots=True)
class Move:
    """Something that happens. `signal` None: time passes, and the coordinator is down."""

    signal: Signal | None
    at: datetime
    step: str | None = None
    direction: Direction = FORWARD
    hits: tuple[Hit, ...] = ()
    attempt: int = 1


def moves(world: World, samples: Samples) -> Iterator[Move]:
    """Yield everything that may happen next, what goes well first."""
    for key, sent in world.ledger.unanswered():
        yield from _answers(world, key, sent, samples)
    if world.ledger.instance.status.is_final:
        return
    yield from _events(world, samples)
    yield from _timers(world)
    if world.faults:
        yield from _of_the_whole(world)


def spend(world: World, move: Move) -> World:
    """Return the world with the faults of a move: fewer of them may still come, and participants behave otherwise."""
    forward = sum(hit.direction is FORWARD for hit in move.hits)
    in_all = world.faults_in_all - len(move.hits)
    behaviours = {
        (hit.step, hit.direction): _BEHAVIOURS[hit.fault] for hit in move.hits if hit.step and hit.fault in _BEHAVIOURS
    }
    return replace(
        world,
        faults=min(world.faults - forward, in_all),
        undo_faults=min(world.undo_faults - (len(move.hits) - forward), in_all),
        faults_in_all=in_all,
        behaviours={**world.behaviours, **behaviours},
    )


def behaviour(world: World, key: CommandKey, sent: CommandRecord) -> Misbehaviour | None:
    """Return how a command is answered. A participant that is asked without end answers well in the end."""
    found, ledger = world.behaviours.get(key), world.ledger
    is_endless = ledger.retry(key).is_endless
    if found is Misbehaviour.BUSY:
        return None if is_endless and ledger.sendings(key) > MAX_UNANSWERED else found
    is_pivot = key[1] is FORWARD and ledger.step_plan(key[0]).step.is_pivot
    return None if (is_endless or is_pivot) and sent.sendings >= MAX_UNANSWERED else found


# --- answers


def _answers(world: World, key: CommandKey, sent: CommandRecord, samples: Samples) -> Iterator[Move]:
    ledger, good = world.ledger, samples.replies[sent.send.command.reply]
    match behaviour(world, key, sent):
        case None:
            replies: tuple[Reply, ...] = (*good, WITHDRAWN) if sent.send.command_id in ledger.withdrawn else good
            yield from (_answer(world, key, sent, reply) for reply in replies)
            yield from _bad_answers(world, key, sent)
        case Misbehaviour.LATE:
            may_be_done = sent.due_at > ledger.now or ledger.step_plan(key[0]).step.undo_when_unknown
            yield from (_answer(world, key, sent, reply) for reply in ((*good, NO) if may_be_done else (NO,)))
        case Misbehaviour.BUSY:
            yield _answer(world, key, sent, BUSY)
        case Misbehaviour.SILENT:
            return


def _bad_answers(world: World, key: CommandKey, sent: CommandRecord) -> Iterator[Move]:
    left = world.faults if key[1] is FORWARD else world.undo_faults
    if not left or key in world.behaviours:
        return
    yield _answer(world, key, sent, NO, Fault.REFUSES)
    yield _answer(world, key, sent, BUSY, Fault.BUSY_ONCE)
    if world.ledger.retry(key).attempts != 1:
        yield _answer(world, key, sent, BUSY_FOR_LONG, Fault.BUSY_ONCE)
        yield _answer(world, key, sent, BUSY, Fault.BUSY)


def _answer(world: World, key: CommandKey, sent: CommandRecord, reply: Reply, fault: Fault | None = None) -> Move:
    now, hits = world.ledger.now, (Hit(*key, fault),) if fault else ()
    return Move(ReplyReceived(now, sent.send.command_id, reply), now, *key, hits, sent.send.attempt)


# --- events


def _events(world: World, samples: Samples) -> Iterator[Move]:
    ledger = world.ledger
    for node in ledger.saga.plan.receives:
        if ledger.is_awaited(node.name) and (node.name, FORWARD) not in world.behaviours:
            for each in samples.events[node.name]:
                event = keyed(node, each, ledger.waits[node.name].key)
                yield Move(event_of(ledger, node.name, event), ledger.now, node.name)


def event_of(ledger: Ledger, receive: str, event: Event) -> EventReceived:
    """Return the signal by which an event comes to a receive. Each sender has one event, all under the same id."""
    node = next(each for each in ledger.saga.plan.receives if each.name == receive)
    goes_to = address(ledger.saga.name, receive, node.key(event)) if node.expects else ledger.instance.id
    return EventReceived(ledger.now, event, goes_to, "event", f"/{receive}")


# --- time


def _timers(world: World) -> Iterator[Move]:
    """Yield the firing of the timer. What was due to be answered before it has failed to: one fault for each."""
    due, now = world.ledger.instance.next_timer_at, world.ledger.now
    if due is None:
        return
    at = max(due, now)
    blocked = [] if due <= now else list(_blocking(world, due))
    reasons = [(Fault.NEVER,) if step in world.ledger.waits else (Fault.LATE, Fault.SILENT) for step, _ in blocked]
    for faults in product(*reasons):
        hits = tuple(Hit(*key, fault) for key, fault in zip(blocked, faults, strict=True))
        if _can_afford(world, hits):
            yield Move(TimerFired(at), at, hits=hits)
    if len(blocked) == 1 and _can_afford(world, hits := (Hit(*blocked[0], Fault.AT_THE_INSTANT),)):
        yield Move(None, at, hits=hits)


def _blocking(world: World, due: datetime) -> Iterator[CommandKey]:
    """Yield what is answered before a timer fires, if nothing goes wrong."""
    ledger = world.ledger
    for key, sent in ledger.unanswered():
        if sent.due_at <= due and behaviour(world, key, sent) in {None, Misbehaviour.BUSY}:
            yield key
    for node in ledger.saga.plan.receives:
        will_come = ledger.is_awaited(node.name) and (node.name, FORWARD) not in world.behaviours
        if will_come and ledger.waits[node.name].due_at <= due:
            yield node.name, FORWARD


def _can_afford(world: World, hits: tuple[Hit, ...]) -> bool:
    forward = sum(hit.direction is FORWARD for hit in hits)
    back = len(hits) - forward
    return forward <= world.faults and back <= world.undo_faults and len(hits) <= world.faults_in_all


def _of_the_whole(world: World) -> Iterator[Move]:
    """Yield a cancel, and the deadline that passes while the coordinator is down."""
    now, one = world.ledger.now, world.ledger.instance
    yield Move(Cancel(now, "not wanted any more"), now, hits=(Hit(None, FORWARD, Fault.CANCEL),))
    if one.status is Status.RUNNING and one.deadline_at is not None and one.deadline_at > now:
        yield Move(None, one.deadline_at, hits=(Hit(None, FORWARD, Fault.DEADLINE),))
