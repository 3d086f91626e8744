"""One transition as the invariants see it: what was recorded before it, what it received, decided and left behind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import Decision, Park, ReplyReceived, Send, Signal, Start, Unpark
from saga_coordinator.sagas.testing.invariants.ledger import (
    COMPENSATION,
    FORWARD,
    CommandKey,
    CommandResult,
    Ledger,
)
from saga_coordinator.sagas.testing.invariants.order import AnySaga, order_of


@dataclass(frozen=True, slots=True)
class Observation:
    """What was decided on a signal.

    `before` is the ledger before it (None: at the start), `received` the same with what the signal says, `after` the
    one with what was decided.
    """

    before: Ledger | None
    signal: Signal
    received: Ledger
    decision: Decision[Any]
    after: Ledger

    @property
    def key(self) -> CommandKey | None:
        """The step and direction whose newest attempt the signal answers; None if it answers none."""
        signal = self.signal
        return self.received.key_of(signal.command_id) if isinstance(signal, ReplyReceived) else None

    @property
    def first_sent(self) -> Iterator[Send]:
        """Yield the commands of steps that were never sent before in their direction."""
        return (send for send in self.decision.commands if (send.step, send.direction) not in self.received.sent)

    @property
    def given_up(self) -> frozenset[str]:
        """The leaves that this transition begins to compensate: all, or those of an alternative."""
        now, was = self.after.instance, self.before.instance if self.before else None
        if now.cause is not None and (was is None or was.cause is None):
            return self.after.order.leaves
        found = (
            self.after.order.within(name, attempt.number)
            for name, attempt in (was.attempts if was else {}).items()
            if attempt.cause is None and now.attempts[name] != attempt
        )
        return frozenset().union(*found)

    @property
    def causes(self) -> Iterator[Cause]:
        """Yield why this transition gives something up."""
        now, was = self.after.instance, self.before.instance if self.before else None
        if now.cause is not None and (was is None or was.cause is None):
            yield now.cause
        for name, attempt in now.attempts.items():
            old = was.attempts.get(name) if was else None
            if attempt.cause is not None and (old is None or old.cause is None):
                yield attempt.cause


Invariant: TypeAlias = Callable[[Observation], Iterator[str]]
"""Yields what is wrong, in words; nothing if the invariant holds."""


def begin(saga: AnySaga, start: Signal, decision: Decision[Any]) -> Observation:
    """Observe the transition that starts an instance."""
    assert isinstance(start, Start)  # noqa: S101  for the type checker
    one, at = decision.instance, start.at
    received = Ledger(saga=saga, order=order_of(saga), instance=one, start=start.event, now=at, latest=at)
    return Observation(None, start, received, decision, received.decided(start, decision))


def observe(before: Ledger, signal: Signal, decision: Decision[Any]) -> Observation:
    """Observe a transition. One that is ignored leaves only what the signal says."""
    is_ignored = decision.ignored is not None
    received = before.receive(signal, is_ignored=is_ignored)
    return Observation(
        before, signal, received, decision, received if is_ignored else received.decided(signal, decision)
    )


def being_compensated(ledger: Ledger) -> frozenset[str]:
    """Return the leaves that are being undone: all, or those of alternatives."""
    if ledger.instance.cause is not None:
        return ledger.order.leaves
    attempts = ledger.instance.attempts.items()
    return frozenset().union(*(ledger.order.within(name, each.number) for name, each in attempts if each.cause))


def stands_still(seen: Observation) -> bool:
    """Return whether what is overdue waits: for the end of parking, or for the record that is decided after it."""
    return seen.after.instance.parked_at is not None or isinstance(seen.signal, Park | Unpark)


def is_abandoned(ledger: Ledger, step: str) -> bool:
    """Return whether a step belongs to an alternative that was left for the next one."""
    attempts = ledger.instance.attempts.items()
    return any(is_in(step, ledger.order.within(name, n)) for name, each in attempts for n in range(each.number))


def retry_wait(ledger: Ledger, key: CommandKey) -> timedelta:
    """Return how long a step waits to be sent again after its newest attempt was answered busy."""
    retry, newest = ledger.retry(key), ledger.sent[key][-1]
    count = ledger.sendings(key) - (ledger.overtaken.get(key[0], 0) if key[1] is COMPENSATION else 0)
    longest = min(retry.cap.total_seconds(), retry.first.total_seconds() * retry.factor ** (max(count, 1) - 1))
    chance = int(newest.send.command_id[:8], 16) / 2**32
    after = getattr(newest.reply, "retry_after", None) or 0.0
    return max(timedelta(seconds=longest * (1 - retry.jitter * chance)), timedelta(seconds=after))


def may_give_up(ledger: Ledger, key: CommandKey) -> bool:
    """Return whether nothing is left to try: refused, or the retry is used up."""
    newest = ledger.sent[key][-1]
    if newest.result is CommandResult.REFUSED or key[0] in ledger.restarted:
        return True
    if newest.result is CommandResult.BUSY:
        return not ledger.may_send_again(key, ledger.now + retry_wait(ledger, key))
    is_pivot = key[1] is FORWARD and ledger.step_plan(key[0]).step.is_pivot
    is_overdue = newest.result is None and newest.due_at <= ledger.now
    return is_overdue and not is_pivot and not ledger.may_send_again(key, ledger.now)


def is_in(step: str, names: frozenset[str]) -> bool:
    """Return whether a step belongs to one of these leaves."""
    return leaf(step) in names
