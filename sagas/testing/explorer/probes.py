"""Signals that must change nothing, tried in every world: copies, strays, and what comes too early or too late."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saga_coordinator.contracts import Event, Failure
from saga_coordinator.sagas.language.nodes import Receive
from saga_coordinator.sagas.machine import (
    EventReceived,
    Ignored,
    Progress,
    ReplyReceived,
    Resolve,
    Signal,
    Start,
    Status,
    TimerFired,
    transition,
)
from saga_coordinator.sagas.testing.explorer.moves import event_of
from saga_coordinator.sagas.testing.explorer.samples import Samples, keyed
from saga_coordinator.sagas.testing.explorer.world import World
from saga_coordinator.sagas.testing.invariants.order import ahead
from saga_coordinator.sagas.testing.scenario import destination

STRANGER = "00000000-0000-5000-8000-000000000000"
ANSWERED = {Progress.DONE, Progress.REFUSED, Progress.WAITING}
NO_COMMAND = Failure(code="stranger", message="", retryable=False)


@dataclass(frozen=True, slots=True)
class Probe:
    """A signal that must change nothing, and the reason for which it is ignored (None: any)."""

    what: str
    signal: Signal
    ignored: Ignored | None = None


def probes(world: World, samples: Samples) -> Iterator[Probe]:
    """Yield every signal that must change nothing in this world."""
    ledger, now = world.ledger, world.ledger.now
    yield Probe("a second start", Start(now, ledger.start), Ignored.DUPLICATE)
    yield Probe("a reply to nothing", ReplyReceived(now, STRANGER, NO_COMMAND), Ignored.UNKNOWN)
    next_timer_at = ledger.instance.next_timer_at
    if next_timer_at is None or next_timer_at > now:
        yield Probe("a timer too early", TimerFired(now), Ignored.NOT_DUE)
    if ledger.instance.status is not Status.STALLED:
        resolve = Resolve(now, "operator", "done by hand", Status.COMPLETED)
        yield Probe("resolving what is not stalled", resolve, Ignored.OUT_OF_PLACE)
    yield from _copies(world)
    yield from _contradictions(world, samples)
    yield from _events(world, samples)


def _copies(world: World) -> Iterator[Probe]:
    for attempts in world.ledger.sent.values():
        for sent in attempts[-2:]:
            if sent.reply is not None:
                yield Probe("a copy of a reply", ReplyReceived(world.ledger.now, sent.send.command_id, sent.reply))
    for name, event in world.ledger.received.items():
        yield Probe("a copy of an event", event_of(world.ledger, name, event))


def _contradictions(world: World, samples: Samples) -> Iterator[Probe]:
    """Yield for each answer the opposite: it must not pass for a copy."""
    ledger = world.ledger
    for (step, direction), attempts in ledger.sent.items():
        sent, command = attempts[-1].send, ledger.instance.steps[step].command_state(direction)
        if command is not None and command.progress in ANSWERED:
            opposite = NO_COMMAND if command.progress is Progress.DONE else samples.replies[sent.command.reply][0]
            signal = ReplyReceived(ledger.now, sent.command_id, opposite)
            yield Probe("the opposite of an answer", signal, Ignored.CONTRADICTION)


def _events(world: World, samples: Samples) -> Iterator[Probe]:
    ledger = world.ledger
    waits, receives = ledger.instance.waits, ledger.saga.plan.receives
    reachable = ahead(ledger.order, ledger.instance)
    for node in receives:
        event: Event = samples.events[node.name][0]
        others = [each for each in receives if each is not node and isinstance(event, each.event)]
        if any(each.name not in waits or ledger.is_awaited(each.name) for each in others):
            continue
        if node.name not in waits:
            if node.name in reachable and ledger.instance.status is Status.RUNNING:
                signal = EventReceived(ledger.now, event, ledger.instance.id, f"early-{node.name}")
                yield Probe("an event that comes early", signal, Ignored.EARLY)
        elif ledger.is_awaited(node.name):
            yield from _elsewhere(world, node, event, "stray")
        else:
            yield from _elsewhere(world, node, event, "late")


def _elsewhere(world: World, node: Receive[Any], event: Event, kind: str) -> Iterator[Probe]:
    """Yield an event with another key for a receive that waits, or with the right one for one that waits no more."""
    ledger, key = world.ledger, world.ledger.waits[node.name].key
    try:
        sample = keyed(node, event, f"not-{key}" if kind == "stray" else key)
    except ValueError:
        return
    signal = EventReceived(ledger.now, sample, destination(ledger.saga, sample), f"{kind}-{node.name}")
    what = {"stray": "an event with another key", "late": "an event that comes late"}[kind]
    yield Probe(what, signal)


def problem_of(world: World, probe: Probe) -> str | None:
    """Return what a probe has changed, None if it is ignored as it must be."""
    instance = world.ledger.instance
    decision = transition(world.ledger.saga, instance, probe.signal)
    is_kept = decision.instance is instance and not decision.commands and decision.outcome is None
    if not (is_kept and decision.ignored):
        return f"{probe.what} changes something"
    if probe.ignored not in {None, decision.ignored}:
        return f"{probe.what} is ignored as {decision.ignored}, not as {probe.ignored}"
    return None
