"""A violation as a test in the language of `sagas/testing/scenario.py`, which fails as long as the law is broken."""

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
    Resolve,
    Start,
    TimerFired,
    command_id,
    transition,
)
from saga_coordinator.sagas.testing.explorer.cap_retries import MAX_ATTEMPTS, cap_retries
from saga_coordinator.sagas.testing.explorer.explore import BEGINNING, PARENT, Counterexample
from saga_coordinator.sagas.testing.explorer.moves import Move
from saga_coordinator.sagas.testing.explorer.order import AnySaga
from saga_coordinator.sagas.testing.explorer.source import Source, quoted
from saga_coordinator.sagas.testing.explorer.world import COMPENSATION, FORWARD

_NAMES = {
    "saga_coordinator.sagas.machine": (
        "ReplyReceived",
        "Start",
        "Status",
        "TimerFired",
        "freeze",
        "thaw",
        "transition",
    ),
    "contracts": ("Failure",),
}
"""What claims are written with."""


class Place(NamedTuple):
    """Where Python finds a saga."""

    module: str
    name: str


def place_of(saga: AnySaga, *modules: ModuleType) -> Place:
    """Return where a saga is found by name, in the first of these modules that has it."""
    for module in modules:
        for name, value in vars(module).items():
            if value is saga:
                return Place(module.__name__, name)
    return Place(saga.begin.__module__, saga.name.replace("-", "_"))


def script(violation: Counterexample, saga: AnySaga, place: Place) -> str:
    """Write the test. Its words say what the saga did up to the last move; its claim is what does not hold."""
    source = Source()
    given = source.name("saga_coordinator.sagas.testing.scenario", "given")
    source.name(place.module, place.name)
    words = list(_words(violation, cap_retries(saga), source))
    name = place.name
    if cap_retries(saga) is not saga and _is_long(violation, cap_retries(saga)):
        name = f"{source.name('saga_coordinator.sagas.testing.explorer.cap_retries', 'abridged')}({name})"
    claim = _claim(violation.claim.replace("START", source.value(violation.start)), source)
    lines = [f"{given}({name}, {source.value(violation.start)})", *words]
    story = "\n".join(f"        {line}" for line in lines)
    body = f"    story = (\n{story}\n    )\n{claim}" if claim else f"    (\n{story}\n    )\n"
    title = re.sub(r"\W+", "_", violation.law)
    return f'{source.header()}\n\n\ndef test_{title}() -> None:\n    """{_sentence(violation.says)}"""\n{body}'


def _sentence(says: str) -> str:
    text = says.splitlines()[0].replace("\\", "/").replace('"', "'")
    return text[0].upper() + text[1:] + "."


def _is_long(violation: Counterexample, saga: AnySaga) -> bool:
    """Say whether something is asked so often in the story that its retry, were it not abridged, would go on."""
    decisions = [decision for _, decision in _told(violation, saga)]
    sendings = Counter((send.step, send.direction) for each in decisions for send in each.commands)
    return max(sendings.values(), default=0) >= MAX_ATTEMPTS


def _claim(claim: str, source: Source) -> str:
    if not claim:
        return ""
    for module, names in _NAMES.items():
        for name in names:
            if re.search(rf"\b{name}\b", claim):
                source.name(module, name)
    if "datetime.timedelta(" in claim:
        source.name("datetime", "timedelta")
    if found := re.search(r"(story\.data|story\.outcome) != ", claim):
        claim = f"assert repr({found[1]}) != {quoted(claim[found.end() :])}"
    return f"    {claim.replace('datetime.timedelta', 'timedelta')}\n"


def _words(violation: Counterexample, saga: AnySaga, source: Source) -> Iterator[str]:
    """Tell the moves, each with what it made the saga do; the last one without: there the law is broken."""
    before: Decision[Any] | None = None
    at = BEGINNING
    for move, decision in _told(violation, saga):
        if before is not None and move is not None:
            yield from _looks(before)
            yield from _acts(move, at, before.instance, source)
            at = move.at
        before = decision


def _told(violation: Counterexample, saga: AnySaga) -> Iterator[tuple[Move | None, Decision[Any]]]:
    """Decide the story again: the start (no move), then each move."""
    asked = command_id(PARENT, "child", FORWARD, 1) if saga.is_child else None
    decision = transition(saga, None, Start(BEGINNING, violation.start, asked))
    yield None, decision
    for move in violation.moves:
        decision = _next(saga, decision.instance, move)
        yield move, decision


def _next(saga: AnySaga, instance: Instance[Any], move: Move) -> Decision[Any]:
    if move.signal is None:
        return Decision(instance)
    try:
        return transition(saga, instance, move.signal)
    except Exception:  # noqa: BLE001  the last move of a story may make the definition raise: the test shows it
        return Decision(instance)


def _looks(decision: Decision[Any]) -> Iterator[str]:
    for direction, sends in groupby(decision.commands, key=lambda each: each.direction):
        steps = ", ".join(quoted(each.step) for each in sends)
        yield f".expects({steps})" if direction is FORWARD else f".undoes({steps})"
    if decision.withdrawals:
        yield f".withdraws({', '.join(quoted(each.step) for each in decision.withdrawals)})"


def _acts(move: Move, at: datetime, instance: Instance[Any], source: Source) -> Iterator[str]:
    match move.signal:
        case None:
            yield f".sleeps({source.span(move.at - at)})"
        case TimerFired():
            yield f".passes({source.span(move.at - at)})"
        case Cancel():
            yield ".cancels()"
        case ReplyReceived() if move.step is not None:
            yield _answer(move.signal, move, instance, source)
        case EventReceived():
            yield f".happens({source.value(move.signal.event)}, id={quoted(move.signal.event_id)})"
        case Resolve():
            status = source.name("saga_coordinator.sagas.machine", "Status")
            yield f".resolves({status}.{move.signal.status.name})"
        case _:
            yield f"# then: {type(move.signal).__name__}"


def _answer(answer: ReplyReceived, move: Move, instance: Instance[Any], source: Source) -> str:
    step, reply = quoted(move.step or ""), answer.reply
    command_state = instance.steps[move.step or ""].command_state(move.direction)
    earlier = f", attempt={move.attempt}" if command_state and command_state.attempt != move.attempt else ""
    if isinstance(reply, Failure) and reply.retry_after is None:
        word = "undo_fails" if move.direction is COMPENSATION else "fails"
        again = ", retryable=True" if reply.retryable else ""
        return f".{word}({step}, code={quoted(reply.code)}{again}{earlier})"
    if move.direction is COMPENSATION:
        return f".undone({step})" if reply == Done() else f".undone({step}, {source.value(reply)})"
    return f".replies({step}, {source.value(reply)}{earlier})"
