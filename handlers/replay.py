"""Replays a history: the recorded signals, applied by the same definition or by another."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from saga_coordinator.contracts import CancelCommand, Done, Event, Failure, Reply
from saga_coordinator.handlers.history import action_fields, decision_json
from saga_coordinator.handlers.records import Entry, Verdict
from saga_coordinator.handlers.routing import AnySaga, address_of, commands_of
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    EventReceived,
    Instance,
    Park,
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
    Unpark,
    transition,
)

ACTIONS: Final[Mapping[str, Callable[..., Signal]]] = {
    "cancel": Cancel,
    "pause": Pause,
    "resume": Resume,
    "retry": RetryStep,
    "skip": SkipStep,
    "resolve": Resolve,
    "park": Park,
    "unpark": Unpark,
}
"""Operator actions and parking, by the kind of their row: their fields are its value."""


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
        now = decision_json(decision)
        if json.loads(now) != json.loads(entry.decided):
            return Difference(entry, entry.decided, now)
        instance = decision.instance
    return None


def signal_of(saga: AnySaga, entry: Entry, instance: Instance[Any] | None = None) -> Signal:
    """Return the signal that a row records; `instance` is the one that it was applied to.

    Raises `LookupError` for a message or a kind that this definition does not know, and pydantic's `ValidationError`
    for a message that it reads otherwise.
    """
    value = entry.value or b""
    match entry.kind:
        case "start":
            command_id = entry.message_id if saga.is_child else None
            return Start(entry.at, saga.starts_on.model_validate_json(value), command_id)
        case "answer":
            reply = _reply_type(saga, entry.message_type).model_validate_json(value)
            return ReplyReceived(entry.at, entry.causation_id or "", reply)
        case "happen":
            event = _event_type(saga, entry.message_type).model_validate_json(value)
            address = _address(saga, event, instance)
            return EventReceived(entry.at, event, address, entry.message_id or "", entry.message_source)
        case "wake":
            return TimerFired(entry.at, tuple(json.loads(value)["unsent"]) if value else ())
        case "obstruct":
            return Block(entry.at, Cause(**json.loads(value)), entry.causation_id)
        case "cancel" if entry.message_type is not None:
            is_event = entry.message_type != CancelCommand.message_type
            return Cancel(entry.at, entry.message_type if is_event else CancelCommand.model_validate_json(value).reason)
        case _:
            return _action(saga, entry)


def _action(saga: AnySaga, entry: Entry) -> Signal:
    if entry.kind not in ACTIONS:
        raise LookupError(f"entry {entry.seq} of {entry.instance_id}: nothing is known of a signal {entry.kind!r}")
    fields = action_fields(entry)
    if "status" in fields:
        fields["status"] = Status(fields["status"])
    if "reply" in fields:
        type_ = fields["reply"]["type"]
        events = {node.event.message_type: node.event for node in saga.plan.receives}
        model = events.get(type_) or _reply_type(saga, type_)
        fields["reply"] = model.model_validate(fields["reply"]["value"])
    return ACTIONS[entry.kind](entry.at, **fields)


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
    """Return the address that an event came to: one at which the instance waits, if it may come to several."""
    places = [address_of(saga, node, event) for node in saga.plan.receives if isinstance(event, node.event)]
    waits = instance.waits.values() if instance else ()
    awaited = {wait.address for wait in waits if wait.progress is Progress.ASKED}
    return next((place for place in places if place in awaited), places[0])
