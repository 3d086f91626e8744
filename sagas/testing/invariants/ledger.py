"""What was sent for one instance and what came back, recorded beside the machine from its signals and decisions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from saga_coordinator.contracts import Done, Event, Failure, Reply
from saga_coordinator.sagas.language.nodes import Delay, Receive, StepPlan
from saga_coordinator.sagas.language.retry import Retry
from saga_coordinator.sagas.machine import (
    Block,
    Decision,
    Direction,
    EventReceived,
    Instance,
    Progress,
    ReplyReceived,
    Resolve,
    Resume,
    RetryStep,
    Send,
    Signal,
    SkipStep,
    TimerFired,
    Unpark,
)
from saga_coordinator.sagas.testing.invariants.order import AnyInstance, AnySaga, Order

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION

CommandKey = tuple[str, Direction]
"""A step in one direction."""


class CommandResult(StrEnum):
    """What is known of a command that was answered."""

    DONE = "done"
    BUSY = "not done, but it may be asked again"
    REFUSED = "not done"
    TOO_LATE = "not done, but its undo was sent before that was known"


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command that was sent, once or more often under the same id; `result` is what its `reply` says."""

    send: Send
    sendings: int
    first_at: datetime
    due_at: datetime
    result: CommandResult | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class ExpectedWait:
    """When a delay or a receive ends, and the key that the event of a receive must have."""

    due_at: datetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All that was sent and received up to a moment. `instance` is the machine's, and `start` what it started on.

    `sent` holds the attempts of each step and direction, the oldest first; `waits` when each delay or receive ends;
    `overtaken` how often each undo was overtaken by a late success of its step, and has to be sent again.
    `restarted` and `skipped` are the steps and waits that an operator has retried or skipped. `latest` is the latest
    time so far: `now` can lie before it when the clock was set back.
    """

    saga: AnySaga
    order: Order
    instance: AnyInstance
    start: Any
    now: datetime
    latest: datetime
    sent: Mapping[CommandKey, tuple[CommandRecord, ...]] = field(default_factory=dict)
    waits: Mapping[str, ExpectedWait] = field(default_factory=dict)
    received: Mapping[str, Event] = field(default_factory=dict)
    overtaken: Mapping[str, int] = field(default_factory=dict)
    withdrawn: frozenset[str] = frozenset()
    restarted: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    outcomes: int = 0
    is_resolved: bool = False

    # --- what it says

    def step_plan(self, step: str) -> StepPlan[Any]:
        return self.saga.plan.step(step)

    def last(self, step: str, direction: Direction = FORWARD) -> CommandRecord | None:
        """Return the newest attempt of a step."""
        attempts = self.sent.get((step, direction))
        return attempts[-1] if attempts else None

    def unanswered(self) -> Iterator[tuple[CommandKey, CommandRecord]]:
        """Yield the newest attempts that were never answered."""
        for key, attempts in self.sent.items():
            if attempts[-1].result is None:
                yield key, attempts[-1]

    def key_of(self, command_id: str) -> CommandKey | None:
        """Return the step and direction whose newest attempt has this id."""
        return next((key for key, attempts in self.sent.items() if attempts[-1].send.command_id == command_id), None)

    def sendings(self, key: CommandKey) -> int:
        """Return how often a command was sent in all, under any id."""
        return sum(attempt.sendings for attempt in self.sent.get(key, ()))

    def retry(self, key: CommandKey) -> Retry:
        plan = self.step_plan(key[0])
        return plan.retry if key[1] is FORWARD else plan.step.compensate_retry

    def may_send_again(self, key: CommandKey, at: datetime) -> bool:
        """Return whether the retry allows one more sending at a time. An undo that was overtaken has one more."""
        retry, first = self.retry(key), self.sent[key][0].first_at
        extra = self.overtaken.get(key[0], 0) if key[1] is COMPENSATION else 0
        in_number = retry.attempts is None or self.sendings(key) < retry.attempts + extra
        return key[0] in self.restarted or (in_number and (retry.total is None or at - first <= retry.total))

    def is_in_flight(self, step: str) -> bool:
        """Return whether the answer of a step is still awaited."""
        sent = self.last(step)
        if sent is None or sent.result is not None:
            return False
        return sent.due_at > self.latest or self.instance.steps[step].forward.progress is Progress.ASKED

    def is_done(self, name: str) -> bool:
        """Return whether a step was answered with a success, or a wait has ended well."""
        sent = self.last(name)
        if sent is not None:
            return sent.result is CommandResult.DONE
        wait = self.instance.waits.get(name)
        return wait is not None and wait.progress is Progress.DONE

    def may_be_done(self, step: str) -> bool:
        """Return whether a step that can be undone has, or may have, taken effect."""
        sent, plan = self.last(step), self.step_plan(step)
        if sent is None or plan.undo is None or sent.result in {CommandResult.BUSY, CommandResult.REFUSED}:
            return False
        return sent.result is CommandResult.DONE or plan.step.undo_when_unknown

    def is_undone(self, step: str) -> bool:
        """Return whether the undo of a step was acknowledged."""
        undo = self.last(step, COMPENSATION)
        return undo is not None and undo.result is CommandResult.DONE

    def is_awaited(self, receive: str) -> bool:
        wait = self.instance.waits.get(receive)
        return wait is not None and wait.progress is Progress.ASKED

    @property
    def steps(self) -> list[str]:
        """The steps whose command was sent, in that order."""
        return [step for step, direction in self.sent if direction is FORWARD]

    @property
    def pivot(self) -> CommandRecord | None:
        """The newest attempt of the pivot, if it was sent."""
        return next((sent for name in self.saga.plan.pivots if (sent := self.last(name))), None)

    # --- what is recorded

    def receive(self, signal: Signal, *, is_ignored: bool = False) -> "Ledger":
        """Return the ledger with what a signal says; of one that the machine ignores only the time and the answer."""
        now = replace(self, now=signal.at, latest=max(self.latest, signal.at))
        match signal:
            case ReplyReceived():
                return _answer(now, signal)
            case TimerFired() if signal.unsent:
                return replace(now, sent={key: _extended(now, key, signal.unsent) for key in now.sent})
            case Resume() | Unpark() if not is_ignored and (length := standstill(self.instance, signal)):
                return _shift(now, length)
            case RetryStep() if not is_ignored:
                return _restart(now, signal.step)
            case SkipStep() if not is_ignored:
                return _skip(now, signal)
            case Block() if not is_ignored and signal.command_id:
                return _block(now, signal.command_id)
            case Resolve() if not is_ignored:
                return replace(now, is_resolved=True)
            case _:
                return now

    def decided(self, signal: Signal, decision: Decision[Any]) -> "Ledger":
        sent = dict(self.sent)
        for send in decision.commands:
            _send(sent, send, self.now, self.now + _length(self.step_plan(send.step).step.timeout, decision))
        instance, received = decision.instance, dict(self.received)
        if isinstance(signal, EventReceived):
            taken = {name for name, wait in instance.waits.items() if wait.event_id and name not in received}
            received |= dict.fromkeys(taken, signal.event)
        begun = {name: self._wait(name, decision) for name in instance.waits.keys() - self.waits.keys()}
        return replace(
            self,
            instance=instance,
            sent=sent,
            waits={**self.waits, **begun},
            received=received,
            withdrawn=self.withdrawn | {each.message.command_id for each in decision.withdrawals},
            outcomes=self.outcomes + (decision.outcome is not None),
        )

    def _wait(self, name: str, decision: Decision[Any]) -> ExpectedWait:
        node = next(each for each in self.order.nodes if isinstance(each, Delay | Receive) and each.name == name)
        data = decision.instance.data
        if isinstance(node, Receive):
            key = node.expects(data) if node.expects else decision.instance.key
            return ExpectedWait(self.now + _length(node.timeout, decision), key)
        due_at = node.until(data) if node.until else self.now + _length(node.lasts or timedelta(0), decision)
        return ExpectedWait(due_at, "")


def _length(duration: timedelta | Callable[[Any], timedelta], decision: Decision[Any]) -> timedelta:
    return duration if isinstance(duration, timedelta) else duration(decision.instance.data)


def _send(sent: dict[CommandKey, tuple[CommandRecord, ...]], send: Send, now: datetime, due_at: datetime) -> None:
    """Record a command: a new one, or one that was sent before under the same id."""
    key = send.step, send.direction
    before = sent.get(key, ())
    if before and before[-1].send.command_id == send.command_id:
        again = replace(before[-1], sendings=before[-1].sendings + 1, due_at=due_at)
        sent[key] = (*before[:-1], again)
    else:
        sent[key] = (*before, CommandRecord(send, 1, now, due_at))


def _change(ledger: Ledger, key: CommandKey, **changes: Any) -> Ledger:  # noqa: ANN401  fields of a CommandRecord
    """Change the newest attempt of a step."""
    attempts = ledger.sent[key]
    return replace(ledger, sent={**ledger.sent, key: (*attempts[:-1], replace(attempts[-1], **changes))})


def _answer(ledger: Ledger, answer: ReplyReceived) -> Ledger:
    """Record the first answer to a newest attempt. A success that its undo has overtaken makes the undo due again."""
    key = ledger.key_of(answer.command_id)
    if key is None or ledger.sent[key][-1].result is not None:
        return ledger
    undo = ledger.last(key[0], COMPENSATION) if key[1] is FORWARD else None
    answered = _change(ledger, key, reply=answer.reply, result=_result(answer.reply, has_undo=undo is not None))
    undo_key = key[0], COMPENSATION
    if undo is None or isinstance(answer.reply, Failure) or not _is_awaited(ledger, undo_key):
        return answered
    overtaken = {**ledger.overtaken, key[0]: ledger.overtaken.get(key[0], 0) + 1}
    return replace(_change(answered, undo_key, due_at=ledger.instance.paused_at or ledger.now), overtaken=overtaken)


def _result(reply: Reply, *, has_undo: bool) -> CommandResult:
    if not isinstance(reply, Failure):
        return CommandResult.DONE
    if has_undo:
        return CommandResult.TOO_LATE
    return CommandResult.BUSY if reply.retryable else CommandResult.REFUSED


def _is_awaited(ledger: Ledger, key: CommandKey) -> bool:
    state = ledger.instance.steps[key[0]].command_state(key[1])
    return state is not None and state.progress is Progress.ASKED


def _extended(ledger: Ledger, key: CommandKey, unsent: tuple[str, ...]) -> tuple[CommandRecord, ...]:
    """Return the attempts of a step, with a new timeout for one that is overdue and was not published yet."""
    attempts = ledger.sent[key]
    newest = attempts[-1]
    if newest.send.command_id not in unsent or newest.due_at > ledger.now or not _is_awaited(ledger, key):
        return attempts
    timeout = ledger.step_plan(key[0]).step.timeout
    due_at = ledger.now + _length(timeout, Decision(ledger.instance))
    return _shifted(attempts, due_at - newest.due_at)


def _shifted(attempts: tuple[CommandRecord, ...], by: timedelta) -> tuple[CommandRecord, ...]:
    return tuple(replace(each, first_at=each.first_at + by, due_at=each.due_at + by) for each in attempts)


def _shift(ledger: Ledger, by: timedelta) -> Ledger:
    """Move the timeouts of commands and receives by the length of a pause. Deadlines and delays do not move."""
    receives = {node.name for node in ledger.saga.plan.receives}
    return replace(
        ledger,
        sent={key: _shifted(attempts, by) for key, attempts in ledger.sent.items()},
        waits={n: replace(w, due_at=w.due_at + by) if n in receives else w for n, w in ledger.waits.items()},
    )


def standstill(instance: Instance[Any], signal: Signal) -> timedelta | None:
    """Return by how much the end of a pause or of parking moves the timers; None: the signal is neither.

    What is paused and parked at once stands still until both have ended, and the first end moves only what is left.
    """
    match signal, instance.paused_at, instance.parked_at:
        case Resume(at=at), datetime() as since, other:
            pass
        case Unpark(at=at), other, datetime() as since:
            pass
        case _:
            return None
    return at - since if other is None else max(timedelta(0), other - since)


def _restart(ledger: Ledger, step: str | None) -> Ledger:
    """Record that an operator has retried one step, or all that was given up. A receive begins to wait again."""
    timed_out = {n for n, w in ledger.instance.waits.items() if w.address and w.progress is Progress.REFUSED}
    restarted = {step} if step else {name for name, _ in ledger.sent}
    waits = {n: w for n, w in ledger.waits.items() if n not in timed_out or (step is not None and n != step)}
    return replace(ledger, restarted=ledger.restarted | restarted, waits=waits)


def _skip(ledger: Ledger, skip: SkipStep) -> Ledger:
    """Record what an operator says was done by hand, whatever was answered."""
    skipped = replace(ledger, skipped=ledger.skipped | {skip.step})
    run = ledger.instance.steps.get(skip.step)
    if run is None:
        return skipped
    key = skip.step, COMPENSATION if run.compensation else FORWARD
    reply = skip.reply if isinstance(skip.reply, Reply) else Done()
    return _change(skipped, key, result=CommandResult.DONE, reply=reply)


def _block(ledger: Ledger, command_id: str) -> Ledger:
    """Record a command that could not be published: never carried out, unless it was published before."""
    key = ledger.key_of(command_id)
    if key is None or not _is_awaited(ledger, key):
        return ledger
    if ledger.sent[key][-1].sendings > 1:
        return _change(ledger, key, due_at=ledger.now)
    return _change(ledger, key, result=CommandResult.REFUSED)
