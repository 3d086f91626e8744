"""A counterexample as a test in the language of scenarios, which fails as long as the invariant is violated."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from types import ModuleType
from typing import Any, NamedTuple

from saga_coordinator.contracts import Done, Failure
from saga_coordinator.sagas.machine import (
    Cancel,
    Decision,
    EventReceived,
    Instance,
    ReplyReceived,
    Start,
    TimerFired,
    command_id,
    transition,
)
from saga_coordinator.sagas.testing.explorer.explore import ARE_PURE, BEGINNING, NEVER_RAISES, PARENT, Counterexample
from saga_coordinator.sagas.testing.explorer.moves import Move
from saga_coordinator.sagas.testing.explorer.source import Source, quoted
from saga_coordinator.sagas.testing.invariants.ledger import COMPENSATION, FORWARD
from saga_coordinator.sagas.testing.invariants.order import AnySaga
from saga_coordinator.sagas.testing.variants import MAX_ATTEMPTS, cap_retries

_PLACE = re.compile(r", \S+:\d+(?= raises | returns )")
"""Where a function stands, which a test that is kept does not say."""

_TESTING = "saga_coordinator.sagas.testing"


class SagaLocation(NamedTuple):
    """Where Python finds a saga."""

    module: str
    name: str


def place_of(saga: AnySaga, *modules: ModuleType) -> SagaLocation:
    """Return where a saga is found by name, in the first of these modules that has it."""
    for module in modules:
        for name, value in vars(module).items():
            if value is saga:
                return SagaLocation(module.__name__, name)
    return SagaLocation(saga.begin.__module__, saga.name.replace("-", "_"))


def script(found: Counterexample, saga: AnySaga, place: SagaLocation) -> str:
    """Write the test. Its words say what the saga did up to the last move; then comes what does not hold."""
    source, capped = Source(), cap_retries(saga)
    given, name = source.name(f"{_TESTING}.scenario", "given"), source.name(*place)
    transitions = list(_transitions(found, capped))
    if capped is not saga and _is_long(transitions):
        name = f"{source.name(f'{_TESTING}.variants', 'cap_retries')}({name})"
    if found.invariant == ARE_PURE:
        name = f"{source.name(f'{_TESTING}.variants', 'evaluate_twice')}({name})"
    lines = [f"{given}({name}, {source.value(found.start)})", *_words(transitions, source)]
    claim = _claim(found, source)
    story = "\n".join(f"        {line}" for line in lines)
    body = f"    story = (\n{story}\n    )\n    {claim}\n" if claim else f"    (\n{story}\n    )\n"
    title = re.sub(r"\W+", "_", found.invariant)
    return f'{source.header()}\n\n\ndef test_{title}() -> None:\n    """{_sentence(found.problem)}"""\n{body}'


def _sentence(problem: str) -> str:
    text = _PLACE.sub("", problem.splitlines()[0]).replace("\\", "/").replace('"', "'")
    return text[0].upper() + text[1:] + "."


def _is_long(transitions: list[tuple[Move | None, Decision[Any]]]) -> bool:
    """Return whether a command is sent so often that its retry, were it not capped, would continue."""
    sendings = Counter((send.step, send.direction) for _, each in transitions for send in each.commands)
    return max(sendings.values(), default=0) >= MAX_ATTEMPTS


def _claim(found: Counterexample, source: Source) -> str:
    """Write the line that fails. Where a definition raises, the story itself fails."""
    match found.invariant:
        case _ if found.invariant in {NEVER_RAISES, ARE_PURE}:
            return ""
        case "i1_it_ends":
            return "assert story.status.is_final"
        case _ if found.probe is None:
            return f"{source.name(f'{_TESTING}.invariants.check', 'check')}(story)"
    transition_ = source.name("saga_coordinator.sagas.machine", "transition")
    reason = f" == {quoted(str(found.probe.ignored))}" if found.probe.ignored else ""
    return f"assert {transition_}(story.saga, story.instance, {source.value(found.probe.signal)}).ignored{reason}"


def _words(transitions: list[tuple[Move | None, Decision[Any]]], source: Source) -> Iterator[str]:
    """Write the moves, each with what it made the saga do; the last one without: there the invariant is violated."""
    before: Decision[Any] | None = None
    at = BEGINNING
    for move, decision in transitions:
        if before is not None and move is not None:
            yield from _expectations(before)
            yield _action(move, at, before.instance, source)
            at = move.at
        before = decision


def _transitions(found: Counterexample, saga: AnySaga) -> Iterator[tuple[Move | None, Decision[Any]]]:
    """Decide the story again: the start (no move), then each move."""
    parent = command_id(PARENT, "child", FORWARD, 1) if saga.is_child else None
    try:
        decision = transition(saga, None, Start(BEGINNING, found.start, parent))
    except Exception:  # noqa: BLE001  where the start makes the definition raise, the test is that alone
        return
    yield None, decision
    for move in found.moves:
        decision = _next(saga, decision.instance, move)
        yield move, decision


def _next(saga: AnySaga, instance: Instance[Any], move: Move) -> Decision[Any]:
    if move.signal is None:
        return Decision(instance)
    try:
        return transition(saga, instance, move.signal)
    except Exception:  # noqa: BLE001  the last move of a story may make the definition raise: the test shows it
        return Decision(instance)


def _expectations(decision: Decision[Any]) -> Iterator[str]:
    for direction, sends in groupby(decision.commands, key=lambda each: each.direction):
        steps = ", ".join(quoted(each.step) for each in sends)
        yield f".expects({steps})" if direction is FORWARD else f".undoes({steps})"
    if decision.withdrawals:
        yield f".withdraws({', '.join(quoted(each.step) for each in decision.withdrawals)})"


def _action(move: Move, at: datetime, instance: Instance[Any], source: Source) -> str:
    match move.signal:
        case TimerFired():
            return f".passes({source.span(move.at - at)})"
        case Cancel():
            return ".cancels()"
        case ReplyReceived() if move.step is not None:
            return _reply(move.signal.reply, move, instance, source)
        case EventReceived():
            id_, sender = quoted(move.signal.event_id), quoted(move.signal.source or "/")
            return f".happens({source.value(move.signal.event)}, id={id_}, source={sender})"
        case _:
            return f".sleeps({source.span(move.at - at)})"


def _reply(reply: Any, move: Move, instance: Instance[Any], source: Source) -> str:  # noqa: ANN401  a reply
    step = quoted(move.step or "")
    state = instance.steps[move.step or ""].command_state(move.direction)
    earlier = f", attempt={move.attempt}" if state and state.attempt != move.attempt else ""
    if isinstance(reply, Failure) and reply.retry_after is None:
        word = "undo_fails" if move.direction is COMPENSATION else "fails"
        again = ", retryable=True" if reply.retryable else ""
        return f".{word}({step}, code={quoted(reply.code)}{again}{earlier})"
    if move.direction is COMPENSATION:
        return f".undone({step})" if reply == Done() else f".undone({step}, {source.value(reply)})"
    return f".replies({step}, {source.value(reply)}{earlier})"
