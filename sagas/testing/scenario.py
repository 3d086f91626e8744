"""The author's test language: a saga's story word by word, in virtual time, without a fake and without a loop.

    given(order_fulfilment, order_placed)
    .expects("reserve-stock", "charge-card")
    .replies("reserve-stock", StockReserved(reservation_id="r-1"))
    .fails("charge-card", code="card-declined")
    .undoes("reserve-stock")
    .undone("reserve-stock")
    .ends(Status.COMPENSATED)

Some words act: `given`, `replies`, `fails`, `undone`, `undo_fails`, `happens`, `passes`, `sleeps`, `cancels`, and an
operator's `pauses`, `resumes`, `retries`, `skips`, `resolves`. The others look at what the last acting word has made
the saga do: `expects`, `undoes`, `withdraws`, `ignores`, `ends`. A step of a `for_each` is named `name[key]`. A test
that names one command of a word names them all, in order, or none. Each word returns a new scenario: several tests can
continue from one beginning. A word that does not hold raises `AssertionError` with the story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from saga_coordinator.contracts import Command, Done, Event, Failure, Reply
from saga_coordinator.sagas.language.nodes import D, Delay, ForEach, Receive, Step, leaf, walk
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.language.wording import suggest
from saga_coordinator.sagas.machine import (
    Cancel,
    Decision,
    Direction,
    EventReceived,
    Ignored,
    Instance,
    Park,
    Pause,
    Progress,
    ReplyReceived,
    Resolve,
    Resume,
    RetryStep,
    Send,
    Signal,
    SkipStep,
    Start,
    Status,
    TimerFired,
    Unpark,
    address,
    command_id,
    instance_id,
    transition,
)

E = TypeVar("E", bound=Event | Command[Any])
C = TypeVar("C", bound=Command[Any])

__tracebackhide__ = True  # pytest shows the line of the test, not those in here

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""When every story begins."""

PARENT = "00000000-0000-5000-8000-000000000001"
"""The instance that starts a child in a story."""

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION


def given(saga: Saga[E, D], event: E) -> Scenario[D]:
    """Begin a story: this event (or, for a child, this command) starts an instance of this saga."""
    start = Start(BEGINNING, event, command_id(PARENT, "child", FORWARD, 1) if saga.is_child else None)
    decision = transition(saga, None, start)
    return _decided(Scenario(saga=saga, instance=decision.instance), start, f"{event!r} starts {saga.name}", decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Generic[D]):
    """A story up to one moment. `at` is its clock, `sent` every command so far, `outcome` the event that it ended with.

    `transitions` are what it received and decided, `story` the same in words. Of the last acting word: `unnamed` are
    the commands that no expectation has named yet, `withdrawn` the steps whose commands were withdrawn, `ignored` why
    the machine ignored it, if it did.
    """

    saga: Saga[Any, D]
    instance: Instance[D]
    at: datetime = BEGINNING
    sent: tuple[Send, ...] = ()
    outcome: Event | Reply | None = None
    withdrawn: tuple[str, ...] = ()
    ignored: Ignored | None = None
    unnamed: tuple[Send, ...] = ()
    is_named: bool = False
    story: tuple[str, ...] = ()
    transitions: tuple[tuple[Signal, Decision[D]], ...] = ()

    # --- what there is to see

    @property
    def data(self) -> D:
        return self.instance.data

    @property
    def status(self) -> Status:
        return self.instance.status

    def command(self, command: type[C], step: str | None = None) -> C:
        """Return the last command of this type (and of this step) that was sent, as its author wrote it."""
        for send in reversed(self.sent):
            if send.command is command and step in {None, send.step}:
                return command.model_validate_json(send.payload)
        raise self._objection(f"no {command.__name__} was sent{f' by {step}' if step else ''}")

    # --- words that act

    def replies(self, step: str, reply: Reply, *, attempt: int | None = None) -> Scenario[D]:
        """The participant has carried out the step's command (the last, or that of an earlier attempt)."""
        return self._answer(step, FORWARD, attempt, reply)

    def fails(
        self, step: str, *, code: str, message: str = "", retryable: bool = False, attempt: int | None = None
    ) -> Scenario[D]:
        """The participant has not carried out the step's command. `retryable`: asking again can help."""
        return self._answer(step, FORWARD, attempt, Failure(code=code, message=message, retryable=retryable))

    def undone(self, step: str, reply: Reply | None = None) -> Scenario[D]:
        """The participant has undone the step. Without a reply it answers `Done`."""
        return self._answer(step, COMPENSATION, None, reply or Done())

    def undo_fails(self, step: str, *, code: str, message: str = "", retryable: bool = False) -> Scenario[D]:
        """The participant has not undone the step. `retryable`: asking again can help."""
        return self._answer(step, COMPENSATION, None, Failure(code=code, message=message, retryable=retryable))

    def happens(self, event: Event, *, id: str | None = None, source: str = "/") -> Scenario[D]:  # noqa: A002  the word for it
        """A business event comes: one that cancels, or that is awaited, unless `ignores` follows.

        `id`: its message id, unique within `source`; without it each event has its own.
        """
        kind = type(event).__name__
        if type(event) is self.saga.cancel_on:
            if (key := self.saga.correlate(event)) != self.instance.key:
                raise self._objection(
                    f"{kind} cancels the instance of {key!r}, and this one is that of {self.instance.key!r}"
                )
            return self._act(Cancel(self.at, event.message_type), f"it happens: {event!r}")
        awaited = tuple(node.event for node in self.saga.plan.receives)
        if not isinstance(event, awaited):
            names = ", ".join(each.__name__ for each in awaited) or "no event"
            raise self._objection(f"nobody awaits {kind}: saga {self.saga.name} receives {names}")
        event_id = id or f"event-{len(self.story)}"
        received = EventReceived(self.at, event, destination(self.saga, event), event_id, source)
        return self._act(received, f"it happens: {event!r}")

    def passes(self, time: timedelta) -> Scenario[D]:
        """Time passes, and every timer that is due in it fires at its time."""
        self._check_time("passes", time)
        self._check_all_named()
        until = self.at + time
        now = replace(self, unnamed=(), is_named=False, ignored=None)
        while (due := now.instance.next_timer_at) is not None and due <= until:
            fired = _receive(now, TimerFired(max(due, now.at)), "the timer fires")
            if fired.instance.next_timer_at == due:
                raise self._objection(f"the timer of {due} fires, and is still due")
            now = replace(fired, unnamed=now.unnamed + fired.unnamed)
        return replace(now, at=until)

    def sleeps(self, time: timedelta) -> Scenario[D]:
        """The coordinator is down for so long: no timer fires. `passes` then fires what is overdue."""
        self._check_time("sleeps", time)
        self._check_all_named()
        return replace(self, at=self.at + time, unnamed=(), is_named=False, ignored=None)

    def cancels(self, reason: str = "not wanted any more") -> Scenario[D]:
        """The business, or an operator, cancels the instance."""
        return self._act(Cancel(self.at, reason), f"cancelled: {reason}")

    def parks(self) -> Scenario[D]:
        """A record fails for the instance: later ones are queued, and timers stand still until `unparks`."""
        return self._act(Park(self.at, "topic:0:0"), "parked")

    def unparks(self) -> Scenario[D]:
        """The record is decided again, or dropped; what was queued follows as words of their own."""
        return self._act(Unpark(self.at), "no longer parked")

    def pauses(self, who: str = "operator", reason: str = "to look at it") -> Scenario[D]:
        """An operator pauses the instance."""
        return self._act(Pause(self.at, who, reason), f"paused by {who}: {reason}")

    def resumes(self, who: str = "operator", reason: str = "looked at it") -> Scenario[D]:
        """An operator resumes the instance."""
        return self._act(Resume(self.at, who, reason), f"resumed by {who}: {reason}")

    def retries(self, step: str | None = None, who: str = "operator", reason: str = "put right") -> Scenario[D]:
        """An operator lets a step, or all that a stalled instance gave up, be asked again."""
        self._check_known(*([step] if step else []))
        return self._act(RetryStep(self.at, who, reason, step), f"{step or 'all'} retried by {who}: {reason}")

    def skips(
        self, step: str, reply: Reply | Event | None = None, who: str = "operator", reason: str = "done by hand"
    ) -> Scenario[D]:
        """An operator takes a step, its compensation or a wait for done."""
        self._check_known(step)
        return self._act(
            SkipStep(self.at, who, reason, step, reply), f"{step} skipped by {who} with {reply!r}: {reason}"
        )

    def resolves(self, status: Status, who: str = "operator", reason: str = "done by hand") -> Scenario[D]:
        """An operator ends a stalled instance."""
        return self._act(Resolve(self.at, who, reason, status), f"resolved as {status} by {who}: {reason}")

    # --- words that look

    def expects(self, *steps: str | Command[Any]) -> Scenario[D]:
        """The saga has sent these steps' commands forward, each named by its step or given whole. None: nothing."""
        return self._name(FORWARD, steps)

    def undoes(self, *steps: str | Command[Any]) -> Scenario[D]:
        """The saga has sent these steps' compensations, each named by the step it undoes or given whole."""
        return self._name(COMPENSATION, steps)

    def withdraws(self, *steps: str) -> Scenario[D]:
        """The last word has withdrawn the commands of these steps, which child sagas carry out."""
        self._check_known(*steps)
        if self.withdrawn != steps:
            raise self._objection(f"expected to withdraw  {', '.join(steps)}", f"withdrew  {', '.join(self.withdrawn)}")
        return self

    def ignores(self, why: Ignored) -> Scenario[D]:
        """The last word has changed nothing, for this reason."""
        if self.ignored is not why:
            raise self._objection(f"expected it to be ignored: {why}", f"it was ignored:            {self.ignored}")
        return replace(self, is_named=True)

    def ends(self, status: Status, outcome: Event | Reply | None = None) -> Scenario[D]:
        """The instance has ended or stalled with this status, and with this outcome (None: any)."""
        self._check_all_named()
        if self.status is not status:
            raise self._objection(f"expected to end {status}", f"it is {self.status}")
        if outcome is not None and self.outcome != outcome:
            raise self._objection(f"expected the outcome {outcome!r}", f"the outcome is       {self.outcome!r}")
        return self

    # --- how

    def _answer(self, step: str, direction: Direction, attempt: int | None, reply: Reply) -> Scenario[D]:
        self._check_known(step)
        sends = [send for send in self.sent if (send.step, send.direction) == (step, direction)]
        if not sends or (attempt or 1) > sends[-1].attempt:
            raise self._objection(f"{label(step, direction)} cannot be answered: it was not sent")
        send = sends[-1]
        if not isinstance(reply, Failure | send.command.reply):
            expected = send.command.reply.__name__
            raise self._objection(
                f"{send.command.__name__} is answered with {expected}, not with {type(reply).__name__}"
            )
        id_ = command_id(self.instance.id, step, direction, attempt or send.attempt)
        return self._act(ReplyReceived(self.at, id_, reply), f"{label(step, direction)} is answered: {reply!r}")

    def _act(self, signal: Signal, what: str) -> Scenario[D]:
        self._check_all_named()
        return _receive(self, signal, what)

    def _name(self, direction: Direction, expected: Sequence[str | Command[Any]]) -> Scenario[D]:
        """Compare the next commands of the last word with the expected ones."""
        self._check_known(*(each for each in expected if isinstance(each, str)))
        self._check_awaited()
        here, rest = self.unnamed[: len(expected)], self.unnamed[len(expected) :]
        matches = [is_expected(send, direction, each) for send, each in zip(here, expected, strict=False)]
        if len(here) < len(expected) or not all(matches) or (not expected and rest):
            wanted = [label(each, direction) if isinstance(each, str) else repr(each) for each in expected]
            raise self._objection(
                f"expected  {'; '.join(wanted) or 'nothing'}",
                f"sent      {'; '.join(map(describe, self.unnamed)) or 'nothing'}",
            )
        return replace(self, unnamed=rest, is_named=True)

    def _check_all_named(self) -> None:
        """Refuse commands that were not expected, if others of the same word were, and an event that nobody awaited."""
        self._check_awaited()
        if self.is_named and self.unnamed:
            raise self._objection("expected  nothing more", f"sent      {'; '.join(map(describe, self.unnamed))}")

    def _check_awaited(self) -> None:
        """Refuse an event that was ignored, unless `ignores` has said so."""
        signal = self.transitions[-1][0]
        if self.ignored is not None and not self.is_named and isinstance(signal, EventReceived):
            kind, why = (
                type(signal.event).__name__,
                self._other_key(signal.event) or f"it was ignored as {self.ignored}",
            )
            raise self._objection(f"nobody awaited {kind}: {why}; say so by ignores(...)")

    def _other_key(self, event: Event) -> str | None:
        """Return which key an event has, and which is awaited, if the instance waits for such an event now."""
        for node in self.saga.plan.receives:
            wait = self.instance.waits.get(node.name)
            if isinstance(event, node.event) and wait and wait.progress is Progress.ASKED:
                key, awaited = node.key(event), node.expects(self.data) if node.expects else self.instance.key
                return f"it has the key {key!r}, and {node.name} waits for {awaited!r}" if key != awaited else None
        return None

    def _check_time(self, word: str, time: object) -> None:
        if not isinstance(time, timedelta):
            length = f"timedelta(seconds={time})" if isinstance(time, int | float) else "timedelta(...)"
            raise self._objection(f"{word} takes a timedelta, not {time!r}: write {word}({length})")

    def _check_known(self, *steps: str) -> None:
        """Refuse a step that the saga does not have."""
        known = [each.name for each in walk(self.saga.steps) if isinstance(each, Step | ForEach | Receive | Delay)]
        for step in steps:
            if leaf(step) not in known:
                hint = suggest(leaf(step), known, f"it has {', '.join(known)}")
                raise self._objection(f"saga {self.saga.name} has no step {step!r}: {hint}")

    def _objection(self, *problem: str) -> AssertionError:
        """Return an error with what does not hold, and the story so far."""
        now = f"{self.at - BEGINNING!s:>16}  it is {self.status}"
        return AssertionError("\n".join((*problem, "", "The story so far:", *self.story, now)))


def _receive(scenario: Scenario[D], signal: Signal, what: str) -> Scenario[D]:
    return _decided(scenario, signal, what, transition(scenario.saga, scenario.instance, signal))


def _decided(scenario: Scenario[D], signal: Signal, what: str, decision: Decision[D]) -> Scenario[D]:
    lines = [f"{signal.at - BEGINNING!s:>16}  {what}"]
    lines += [f"{'->':>18} {describe(send)}" for send in decision.commands]
    if decision.outcome is not None:
        lines.append(f"{'==':>18} {decision.outcome!r}")
    if decision.ignored is not None:
        lines.append(f"{'..':>18} ignored as {decision.ignored}: {decision.reason}")
    return replace(
        scenario,
        instance=decision.instance,
        at=signal.at,
        sent=scenario.sent + decision.commands,
        outcome=decision.outcome or scenario.outcome,
        withdrawn=tuple(each.step for each in decision.withdrawals),
        ignored=decision.ignored,
        unnamed=decision.commands,
        is_named=False,
        story=(*scenario.story, *lines),
        transitions=(*scenario.transitions, (signal, decision)),
    )


def is_expected(send: Send, direction: Direction, expected: str | Command[Any]) -> bool:
    if send.direction is not direction:
        return False
    if isinstance(expected, str):
        return send.step == expected
    return type(expected) is send.command and send.command.model_validate_json(send.payload) == expected


def label(step: str, direction: Direction) -> str:
    return step if direction is Direction.FORWARD else f"the undo of {step}"


def describe(send: Send) -> str:
    return f"{label(send.step, send.direction)}, attempt {send.attempt}: {send.command.__name__} {send.payload}"


def destination(saga: Saga[Any, Any], event: Event) -> str:
    """Return where an event goes: to the receive that expects its key, or to the instance of its correlation key."""
    for node in saga.plan.receives:
        if isinstance(event, node.event):
            key = node.key(event)
            return address(saga.name, node.name, key) if node.expects else instance_id(saga.name, key)
    return instance_id(saga.name, saga.correlate(event))
