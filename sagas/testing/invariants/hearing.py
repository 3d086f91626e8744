"""Laws of what is heard: remembered once; copies, strays and a crash change nothing (I3, I5, I10)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saga_coordinator.contracts import Event, Failure
from saga_coordinator.sagas.machine import (
    EventReceived,
    Ignored,
    Progress,
    Receive,
    ReplyReceived,
    Resolve,
    Signal,
    Start,
    Status,
    TimerFired,
    freeze,
    leaf,
    thaw,
    transition,
)
from saga_coordinator.sagas.testing.explorer.moves import Move, event
from saga_coordinator.sagas.testing.explorer.order import ahead
from saga_coordinator.sagas.testing.explorer.samples import Samples, keyed
from saga_coordinator.sagas.testing.explorer.turn import Turned, Violation
from saga_coordinator.sagas.testing.explorer.world import COMPENSATION, World
from saga_coordinator.sagas.testing.messages import destination

STRANGER = "00000000-0000-5000-8000-000000000000"
NOBODY = Failure(code="stranger", message="", retryable=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """A signal that must change nothing, and for what reason (None: any).

    `move` is it as a move of the story; `written` is it as Python, where the language of stories has no word for it.
    """

    what: str
    signal: Signal
    ignored: Ignored | None
    move: Move | None = None
    written: str = ""


def i10_a_success_is_remembered_once(turned: Turned) -> Iterator[Violation]:
    """The data change by what was heard, when it is heard, and not after its undo was sent."""
    if turned.before is None:
        return
    expected, found = _remembered(turned), turned.after.instance.data
    if found != expected:
        yield Violation(f"it remembers {found!r}, not {expected!r}", f"assert story.data != {found!r}")


def _remembered(turned: Turned) -> Any:  # noqa: ANN401  the data
    assert turned.before is not None  # noqa: S101  for the type checker
    data, move, world = turned.before.instance.data, turned.move, turned.before
    if isinstance(move.signal, EventReceived) and not turned.decision.ignored:
        node = next(each for each in world.saga.receives if each.name == move.step)
        return node.remember(data, move.signal.event) if node.remember else data
    if not isinstance(move.signal, ReplyReceived) or isinstance(move.signal.reply, Failure) or move.step is None:
        return data
    remember = world.step_plan(move.step).step.remember
    is_over = world.instance.status.is_final or world.last(move.step, COMPENSATION) is not None
    if remember is None or move.direction is COMPENSATION or is_over or _is_abandoned(world, move.step):
        return data
    return remember(data, *_item(world, move.step), move.signal.reply)


def _is_abandoned(world: World, step: str) -> bool:
    attempts = world.instance.attempts.items()
    return any(leaf(step) in world.order.within(name, number) for name, t in attempts for number in range(t.number))


def _item(world: World, step: str) -> tuple[Any, ...]:
    codec = world.step_plan(step).item
    listed = world.instance.lists.get(leaf(step), {})
    return () if codec is None else (codec.validate_json(listed[step]),)


# --- what must change nothing, tried in every world


def i3_read_again_it_is_the_same(world: World) -> Iterator[Violation]:
    """A crash between any two transitions loses nothing: what is written and read again is equal."""
    one = world.instance
    frozen = freeze(one)
    thawed = thaw(world.saga, one.id, one.key, frozen)
    if thawed != one or freeze(thawed) != frozen:
        yield Violation(
            "written and read again it is another instance",
            "assert thaw(story.saga, story.instance.id, story.instance.key, freeze(story.instance)) == story.instance",
        )


def probes(world: World, samples: Samples) -> Iterator[Probe]:
    """Yield every signal that must change nothing in this world."""
    now = world.now
    yield Probe("a second start", Start(now, world.start), Ignored.DUPLICATE, written="Start(story.at, START)")
    stranger = f'ReplyReceived(story.at, "{STRANGER}", Failure(code="stranger", message="", retryable=False))'
    yield Probe("an answer to nothing", ReplyReceived(now, STRANGER, NOBODY), Ignored.UNKNOWN, written=stranger)
    if world.instance.next_timer_at is None or world.instance.next_timer_at > now:
        yield Probe("an alarm too early", TimerFired(now), Ignored.NOT_DUE, written="TimerFired(story.at)")
    if world.instance.status is not Status.STALLED:
        resolve = Resolve(now, "operator", "done by hand", Status.COMPLETED)
        yield Probe("resolving what is not stalled", resolve, Ignored.OUT_OF_PLACE, Move(resolve, now))
    yield from _copies(world)
    yield from _events(world, samples)


def _copies(world: World) -> Iterator[Probe]:
    for (step, direction), calls in world.calls.items():
        for call in calls[-2:]:
            if call.reply is not None:
                signal = ReplyReceived(world.now, call.send.command_id, call.reply)
                move = Move(signal, world.now, step, direction, attempt=call.send.attempt)
                yield Probe("a copy of a reply", signal, None, move)
    for name, what in world.received.items():
        signal_ = event(world, name, what)
        yield Probe("a copy of an event", signal_, None, Move(signal_, world.now, name))


def _events(world: World, samples: Samples) -> Iterator[Probe]:
    reachable = ahead(world.order, world.instance)
    for node in world.saga.receives:
        what: Event = samples.events[node.name][0]
        wait = world.instance.waits.get(node.name)
        is_early = node.name in reachable and world.instance.status is Status.RUNNING
        others = [each for each in world.saga.receives if each is not node and isinstance(what, each.event)]
        if any(_waits(world, each.name) for each in others):
            continue
        if wait is None and is_early:
            early = EventReceived(world.now, what, world.instance.id, f"early-{node.name}")
            yield Probe("an event that comes early", early, Ignored.EARLY, Move(early, world.now, node.name))
        elif wait is not None and wait.progress is Progress.ASKED:
            yield from _stray(world, node, what)
        elif wait is not None:
            yield from _late(world, node, what)


def _late(world: World, node: Receive[Any], what: Event) -> Iterator[Probe]:
    """Yield an event that is meant for this receive, and comes when it waits no more."""
    try:
        mine = keyed(node, what, world.waits[node.name].key)
    except ValueError:
        return
    late = EventReceived(world.now, mine, destination(world.saga, mine), f"late-{node.name}")
    yield Probe("an event that comes late", late, None, Move(late, world.now, node.name))


def _stray(world: World, node: Receive[Any], what: Event) -> Iterator[Probe]:
    """Yield an event that is meant for somebody else."""
    try:
        other = keyed(node, what, f"not-{world.waits[node.name].key}")
    except ValueError:
        return
    stray = EventReceived(world.now, other, destination(world.saga, other), f"stray-{node.name}")
    yield Probe("an event with another key", stray, None, Move(stray, world.now, node.name))


def _waits(world: World, name: str) -> bool:
    wait = world.instance.waits.get(name)
    return wait is None or wait.progress is Progress.ASKED


def changed_by(world: World, probe: Probe) -> Violation | None:
    """Say what a probe has changed, if it has."""
    decision = transition(world.saga, world.instance, probe.signal)
    is_kept = decision.instance is world.instance and not decision.commands and decision.outcome is None
    if is_kept and decision.ignored is not None and probe.ignored in {None, decision.ignored}:
        return None
    if is_kept and decision.ignored is not None and probe.ignored is not None:
        says = f"{probe.what} is ignored as {decision.ignored}, not as {probe.ignored}"
        claim = f"assert story.ignored == {str(probe.ignored)!r}"
    else:
        says, claim = f"{probe.what} is acted upon", "assert story.ignored"
    if probe.written:
        claim = claim.replace("story.ignored", f"transition(story.saga, story.instance, {probe.written}).ignored")
    return Violation(says, claim)
