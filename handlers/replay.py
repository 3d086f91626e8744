"""A history decided once more: the recorded signals through the machine, by the same definition or by another."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from saga_coordinator.contracts import CancelCommand, Done, Event, Failure, Reply
from saga_coordinator.handlers.history import decided
from saga_coordinator.handlers.records import Entry, Verdict
from saga_coordinator.handlers.routing import AnySaga, commands_of
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    EventReceived,
    Instance,
    Pause,
    Progress,
    ReplyReceived,
    Resolve,
    Resume,
    RetryStep,
    Signal,
    SkipStep,
    Start,
    Status,
    TimerFired,
    address,
    instance_id,
    transition,
)


class Difference(NamedTuple):
    """The first signal of a history on which a definition decides otherwise.

    `recorded` and `now` are the decision as JSON: status, commands, outcome. `now` is None if nothing can be decided,
    and `why` then says why not.
    """

    entry: Entry
    recorded: str
    now: str | None
    why: str | None = None


def replay(saga: AnySaga, entries: Iterable[Entry]) -> Instance[Any]:
    """Return the instance that its whole history leads to. Rows that were ignored changed nothing and are left out.

    Raises `LookupError` for a history without a start, or with a message that the definition does not know.
    """
    instance: Instance[Any] | None = None
    for entry in entries:
        if entry.verdict is Verdict.APPLIED:
            instance = transition(saga, instance, signal_of(saga, entry, instance)).instance
    if instance is None:
        raise LookupError(f"saga {saga.name}: a history begins with its start, and this one is empty")
    return instance


def first_difference(saga: AnySaga, entries: Iterable[Entry]) -> Difference | None:
    """Return the first signal on which this definition decides otherwise than was recorded; None: nowhere."""
    instance: Instance[Any] | None = None
    for entry in entries:
        try:
            decision = transition(saga, instance, signal_of(saga, entry, instance))
        except Exception as error:  # noqa: BLE001  a definition's function may raise anything: that is the difference
            return Difference(entry, entry.decided, None, f"{type(error).__name__}: {error}")
        now = decided(decision)
        if json.loads(now) != json.loads(entry.decided):
            return Difference(entry, entry.decided, now)
        instance = decision.instance
    return None


def signal_of(saga: AnySaga, entry: Entry, instance: Instance[Any] | None = None) -> Signal:
    """Make the signal again that a row records; `instance` is the one that it comes to.

    Raises `LookupError` for a message or a kind that this definition does not know, and pydantic's `ValidationError`
    for a message that it reads otherwise.
    """
    value = entry.value or b""
    match entry.kind:
        case "start":
            asked = entry.message_id if saga.is_child else None
            return Start(entry.at, saga.starts_on.model_validate_json(value), asked)
        case "answer":
            reply = _reply_type(saga, entry.message_type).model_validate_json(value)
            return ReplyReceived(entry.at, entry.causation_id or "", reply)
        case "happen":
            event = _event_type(saga, entry.message_type).model_validate_json(value)
            return EventReceived(entry.at, event, _address(saga, event, instance), entry.message_id or "")
        case "wake":
            return TimerFired(entry.at, tuple(json.loads(value)["unsent"]) if value else ())
        case "obstruct":
            return Block(entry.at, Cause(**json.loads(value)), entry.causation_id)
        case "cancel":
            return _cancel(entry)
        case _:
            return _wish(saga, entry)


def _cancel(entry: Entry) -> Cancel:
    """Make a cancel again: that of an operator, of who sent a child its command, or of a business event."""
    value = entry.value or b""
    if entry.message_type is None:
        told = json.loads(value)
        return Cancel(entry.at, told["why"], told.get("who"))
    if entry.message_type == CancelCommand.message_type:
        return Cancel(entry.at, CancelCommand.model_validate_json(value).reason)
    return Cancel(entry.at, entry.message_type)


def _wish(saga: AnySaga, entry: Entry) -> Signal:
    """Make an operator's wish again."""
    told: dict[str, Any] = json.loads(entry.value or b"{}")
    who, why = told.get("who", ""), told.get("why", "")
    match entry.kind:
        case "pause":
            return Pause(entry.at, who, why)
        case "resume":
            return Resume(entry.at, who, why)
        case "retry":
            return RetryStep(entry.at, who, why, told.get("step"))
        case "skip":
            return SkipStep(entry.at, who, why, told["step"], _supplied(saga, told.get("reply")))
        case "resolve":
            return Resolve(entry.at, who, why, Status(told["status"]))
        case other:
            raise LookupError(f"entry {entry.seq} of {entry.instance_id}: nothing is known of a signal {other!r}")


def _supplied(saga: AnySaga, told: dict[str, Any] | None) -> Reply | Event | None:
    """Make the reply, or the event, again that an operator has supplied."""
    if told is None:
        return None
    events = {node.event.message_type: node.event for node in saga.plan.receives}
    model = events.get(told["type"]) or _reply_type(saga, told["type"])
    return model.model_validate(told["value"])


def _reply_type(saga: AnySaga, type_: str | None) -> type[Reply]:
    known = {command.reply.message_type: command.reply for command in commands_of(saga)}
    known |= {Failure.message_type: Failure, Done.message_type: Done}
    if type_ not in known:
        raise LookupError(f"{type_} answers no command of saga {saga.name} version {saga.version}")
    return known[type_]


def _event_type(saga: AnySaga, type_: str | None) -> type[Event]:
    for node in saga.plan.receives:
        if node.event.message_type == type_:
            return node.event
    raise LookupError(f"{type_} is awaited nowhere in saga {saga.name} version {saga.version}")


def _address(saga: AnySaga, event: Event, instance: Instance[Any] | None) -> str:
    """Return where an event came to: where it is awaited now, if at one of the places that it may come to."""
    places = [
        address(saga.name, node.name, node.key(event)) if node.expects else instance_id(saga.name, node.key(event))
        for node in saga.plan.receives
        if isinstance(event, node.event)
    ]
    waits = instance.waits.values() if instance else ()
    awaited = {wait.address for wait in waits if wait.progress is Progress.ASKED}
    return next((place for place in places if place in awaited), places[0])
