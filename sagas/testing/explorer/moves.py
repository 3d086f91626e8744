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
    Progress,
    ReplyReceived,
    Signal,
    Status,
    TimerFired,
    address,
)
from saga_coordinator.sagas.testing.explorer.samples import Samples, keyed
from saga_coordinator.sagas.testing.explorer.world import COMPENSATION, FORWARD, Call, Heard, Mood, Way, World

MAX_UNANSWERED = 3
"""After so many sendings whoever is asked without end answers at last: otherwise no story would end."""

RETRY_AFTER = 600.0
"""What a busy participant asks for, in seconds."""

NO = Failure(code="refused", message="", retryable=False)
BUSY = Failure(code="busy", message="", retryable=True)
BUSY_FOR_LONG = Failure(code="busy", message="", retryable=True, retry_after=RETRY_AFTER)
CALLED_OFF = Failure(code="called-off", message="", retryable=False)


class Fault(StrEnum):
    """What may go wrong at a step, at its undo, at a wait, or in the whole."""

    NONE = "succeeds"
    REFUSES = "refuses"
    BUSY_ONCE = "fails, then succeeds"
    BUSY = "retries used up"
    LATE = "times out, answers late"
    SILENT = "times out for ever"
    AT_THE_INSTANT = "answers as it times out"
    NEVER = "event never comes"
    CANCEL = "cancelled at any moment"
    DEADLINE = "deadline at any moment"


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault where it hit; `step` None: the instance as a whole."""

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
    for way, call in world.open():
        yield from _answers(world, way, call, samples)
    if world.instance.status.is_final:
        return
    yield from _events(world, samples)
    yield from _alarms(world)
    if world.faults:
        yield from _of_the_whole(world)


def apply(world: World, move: Move) -> World:
    """Return the world as it is when the move happens, before the machine decides on it."""
    there = sum(hit.direction is FORWARD for hit in move.hits)
    in_all = world.faults_in_all - len(move.hits)
    now = replace(
        world,
        now=move.at,
        faults=min(world.faults - there, in_all),
        undo_faults=min(world.undo_faults - (len(move.hits) - there), in_all),
        faults_in_all=in_all,
        moods={**world.moods, **dict(_moods(move))},
    )
    if isinstance(move.signal, EventReceived) and move.step is not None:
        return replace(now, received={**now.received, move.step: move.signal.event})
    if not isinstance(move.signal, ReplyReceived) or move.step is None:
        return now
    way = move.step, move.direction
    return _overtaking(now, way, move.signal.reply).hearing(way, move.signal.reply, _heard(now, way, move.signal.reply))


def mood(world: World, way: Way, call: Call) -> Mood | None:
    """Return the mood in which a command is answered; patience with one who is asked without end is limited."""
    found = world.moods.get(way)
    is_endless = world.retry(way).is_endless or (way[1] is FORWARD and world.step_plan(way[0]).step.is_pivot)
    if found is Mood.BUSY:
        return None if world.retry(way).is_endless and world.sendings(way) > MAX_UNANSWERED else found
    return None if is_endless and call.sendings >= MAX_UNANSWERED else found


# --- answers


def _answers(world: World, way: Way, call: Call, samples: Samples) -> Iterator[Move]:
    good = samples.replies[call.send.command.reply]
    match mood(world, way, call):
        case None:
            replies: tuple[Reply, ...] = (*good, CALLED_OFF) if call.send.command_id in world.withdrawn else good
            yield from (_answer(world, way, call, reply) for reply in replies)
            yield from _bad_answers(world, way, call)
        case Mood.LATE:
            may_be_done = call.due_at > world.now or world.step_plan(way[0]).step.undo_when_unknown
            yield from (_answer(world, way, call, reply) for reply in ((*good, NO) if may_be_done else (NO,)))
        case Mood.BUSY:
            yield _answer(world, way, call, BUSY)
        case Mood.SILENT:
            return


def _bad_answers(world: World, way: Way, call: Call) -> Iterator[Move]:
    left = world.faults if way[1] is FORWARD else world.undo_faults
    if not left or way in world.moods:
        return
    yield _answer(world, way, call, NO, Fault.REFUSES)
    yield _answer(world, way, call, BUSY, Fault.BUSY_ONCE)
    if world.retry(way).attempts != 1:
        yield _answer(world, way, call, BUSY_FOR_LONG, Fault.BUSY_ONCE)
        yield _answer(world, way, call, BUSY, Fault.BUSY)


def _answer(world: World, way: Way, call: Call, reply: Reply, fault: Fault | None = None) -> Move:
    step, direction = way
    hits = (Hit(step, direction, fault),) if fault else ()
    return Move(
        ReplyReceived(world.now, call.send.command_id, reply), world.now, step, direction, hits, call.send.attempt
    )


# --- events


def _events(world: World, samples: Samples) -> Iterator[Move]:
    for node in world.saga.receives:
        if is_awaited(world, node.name) and (node.name, FORWARD) not in world.moods:
            for each in samples.events[node.name]:
                what = keyed(node, each, world.waits[node.name].key)
                yield Move(event(world, node.name, what), world.now, node.name)


def event(world: World, receive: str, what: Event) -> EventReceived:
    """Return the signal by which an event comes to a receive."""
    node = next(each for each in world.saga.receives if each.name == receive)
    goes_to = address(world.saga.name, receive, node.key(what)) if node.expects else world.instance.id
    return EventReceived(world.now, what, goes_to, f"event-of-{receive}")


def is_awaited(world: World, receive: str) -> bool:
    """Say whether a receive waits."""
    wait = world.instance.waits.get(receive)
    return wait is not None and wait.progress is Progress.ASKED


# --- time


def _alarms(world: World) -> Iterator[Move]:
    """Let the alarm ring. Whoever should have answered before it has then failed to: one fault for each."""
    due = world.instance.next_timer_at
    if due is None:
        return
    at = max(due, world.now)
    blocked = [] if due <= world.now else list(_blocking(world, due))
    reasons = [(Fault.NEVER,) if step in world.waits else (Fault.LATE, Fault.SILENT) for step, _ in blocked]
    for faults in product(*reasons):
        hits = tuple(Hit(*way, fault) for way, fault in zip(blocked, faults, strict=True))
        if _can_afford(world, hits):
            yield Move(TimerFired(at), at, hits=hits)
    if blocked and len(blocked) <= 1 and _can_afford(world, hits := (Hit(*blocked[0], Fault.AT_THE_INSTANT),)):
        yield Move(None, at, hits=hits)


def _blocking(world: World, due: datetime) -> Iterator[Way]:
    """Yield who answers before an alarm rings, if nothing goes wrong."""
    for way, call in world.open():
        if call.due_at <= due and mood(world, way, call) in {None, Mood.BUSY}:
            yield way
    for node in world.saga.receives:
        will_come = is_awaited(world, node.name) and (node.name, FORWARD) not in world.moods
        if will_come and world.waits[node.name].due_at <= due:
            yield node.name, FORWARD


def _can_afford(world: World, hits: tuple[Hit, ...]) -> bool:
    forward = sum(hit.direction is FORWARD for hit in hits)
    back = len(hits) - forward
    return forward <= world.faults and back <= world.undo_faults and len(hits) <= world.faults_in_all


def _of_the_whole(world: World) -> Iterator[Move]:
    """Yield a cancel, and the deadline that passes while the coordinator is down."""
    yield Move(Cancel(world.now, "not wanted any more"), world.now, hits=(Hit(None, FORWARD, Fault.CANCEL),))
    deadline = world.instance.deadline_at
    if world.instance.status is Status.RUNNING and deadline is not None and deadline > world.now:
        yield Move(None, deadline, hits=(Hit(None, FORWARD, Fault.DEADLINE),))


# --- how a world takes it


def _moods(move: Move) -> Iterator[tuple[Way, Mood]]:
    for hit in move.hits:
        found = {Fault.BUSY: Mood.BUSY, Fault.LATE: Mood.LATE, Fault.SILENT: Mood.SILENT, Fault.NEVER: Mood.SILENT}
        if hit.step is not None and hit.fault in found:
            yield (hit.step, hit.direction), found[hit.fault]


def _heard(world: World, way: Way, reply: Reply) -> Heard:
    if not isinstance(reply, Failure):
        return Heard.DONE
    if way[1] is FORWARD and (way[0], COMPENSATION) in world.calls:
        return Heard.TOO_LATE
    return Heard.BUSY if reply.retryable else Heard.REFUSED


def _overtaking(world: World, way: Way, reply: Reply) -> World:
    """Count an undo that has overtaken its original: it is due once more."""
    undo = world.last(way[0], COMPENSATION)
    if way[1] is COMPENSATION or undo is None or isinstance(reply, Failure) or world.instance.status.is_final:
        return world
    command_state = world.instance.steps[way[0]].compensation
    if command_state is None or command_state.progress is not Progress.ASKED:
        return world
    return replace(world, overtaken={**world.overtaken, way[0]: world.overtaken.get(way[0], 0) + 1})
