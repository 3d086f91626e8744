"""One turn as the laws see it, and what they say of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from saga_coordinator.sagas.machine import Cause, Decision, Send, leaf
from saga_coordinator.sagas.testing.explorer.moves import Move
from saga_coordinator.sagas.testing.explorer.world import COMPENSATION, FORWARD, Heard, Way, World


@dataclass(frozen=True, slots=True)
class Violation:
    """A law that does not hold: what is wrong, and a line of Python that fails because of it, about `story`."""

    says: str
    claim: str


@dataclass(frozen=True, slots=True)
class Turned:
    """What was decided when a move happened.

    `before` is the world before it (None: at the start), `heard` the same when it has heard what happens, `after` the
    one that the decision makes.
    """

    before: World | None
    move: Move
    heard: World
    decision: Decision[Any]
    after: World

    @property
    def first_sent(self) -> Iterator[Send]:
        """Yield the commands of ways that were never asked before."""
        return (send for send in self.decision.commands if (send.step, send.direction) not in self.heard.calls)

    @property
    def given_up_leaves(self) -> frozenset[str]:
        """The leaves on which the instance has turned back in this turn: all, or those of an alternative."""
        now, was = self.after.instance, self.before.instance if self.before else None
        if now.cause is not None and (was is None or was.cause is None):
            return self.after.order.leaves
        found = (
            self.after.order.within(name, attempt.number)
            for name, attempt in (was.attempts if was else {}).items()
            if attempt.cause is None
            and (now.attempts[name].cause is not None or now.attempts[name].number != attempt.number)
        )
        return frozenset().union(*found)

    @property
    def causes(self) -> Iterator[tuple[Cause, str]]:
        """Yield why something was given up in this turn, each with the line that denies it."""
        now, was = self.after.instance, self.before.instance if self.before else None
        if now.cause is not None and (was is None or was.cause is None):
            yield now.cause, "assert story.instance.cause is None"
        for name, attempt in now.attempts.items():
            old = was.attempts.get(name) if was else None
            if attempt.cause is not None and (old is None or old.cause is None):
                yield attempt.cause, f"assert story.instance.trials[{name!r}].cause is None"


Invariant: TypeAlias = Callable[[Turned], Iterator[Violation]]


def being_compensated(world: World) -> frozenset[str]:
    """Return the leaves that are being undone: all once the instance has turned back, or those of alternatives."""
    if world.instance.cause is not None:
        return world.order.leaves
    attempts = world.instance.attempts.items()
    return frozenset().union(*(world.order.within(name, attempt.number) for name, attempt in attempts if attempt.cause))


def retry_wait(world: World, way: Way) -> timedelta:
    """Return how long a way waits after its newest command was answered busy."""
    retry, call = world.retry(way), world.calls[way][-1]
    count = world.sendings(way) - (world.overtaken.get(way[0], 0) if way[1] is COMPENSATION else 0)
    longest = min(retry.cap.total_seconds(), retry.first.total_seconds() * retry.factor ** (max(count, 1) - 1))
    chance = int(call.send.command_id[:8], 16) / 2**32
    after = getattr(call.reply, "retry_after", None) or 0.0
    return max(timedelta(seconds=longest * (1 - retry.jitter * chance)), timedelta(seconds=after))


def may_give_up(world: World, way: Way) -> bool:
    """Say whether nothing is left to try: refused, or the retry is used up."""
    call = world.calls[way][-1]
    if call.heard is Heard.REFUSED:
        return True
    if call.heard is Heard.BUSY:
        return not world.may_ask_again(way, world.now + retry_wait(world, way))
    is_pivot = way[1] is FORWARD and world.step_plan(way[0]).step.is_pivot
    return call.heard is None and call.due_at <= world.now and not is_pivot and not world.may_ask_again(way, world.now)


def denies_sending(send: Send) -> str:
    """Write the line that denies that a command was sent by the last word."""
    that = (send.step, str(send.direction), send.attempt)
    return f"assert {that!r} not in [(each.step, each.direction, each.attempt) for each in story.unnamed]"


def is_in(step: str, names: frozenset[str]) -> bool:
    """Say whether a step belongs to one of these leaves."""
    return leaf(step) in names
