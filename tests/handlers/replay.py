"""An instance out of its history alone: the recorded signals through the machine once more."""

import json
from collections.abc import Iterable
from typing import Any

from contracts import Failure, Reply
from handlers.routing import AnySaga, commands_of
from handlers.rows import Entry, Verdict
from sagas.machine import Answer, Cancel, Cause, Instance, Obstruct, Signal, Start, Wake, transition


def replayed(saga: AnySaga, entries: Iterable[Entry]) -> Instance[Any]:
    """Return the instance that its whole history leads to. Rows that were ignored changed nothing and are left out."""
    instance: Instance[Any] | None = None
    for entry in entries:
        if entry.verdict is Verdict.APPLIED:
            instance = transition(saga, instance, signal_of(saga, entry)).instance
    assert instance is not None, "a history begins with its start"
    return instance


def signal_of(saga: AnySaga, entry: Entry) -> Signal:
    """Make the signal again that a row records."""
    value = entry.value or b""
    match entry.kind:
        case "start":
            return Start(entry.at, saga.starts_on.model_validate_json(value))
        case "answer":
            return Answer(entry.at, entry.causation_id or "", reply_type(saga, entry).model_validate_json(value))
        case "wake":
            return Wake(entry.at)
        case "cancel":
            return Cancel(entry.at, entry.message_type or "")
        case "obstruct":
            return Obstruct(entry.at, Cause(**json.loads(value)), entry.causation_id)
        case other:
            raise AssertionError(f"nothing is known of the kind {other}")


def reply_type(saga: AnySaga, entry: Entry) -> type[Reply]:
    """The type of the reply that a row records."""
    known = {command.reply.message_type: command.reply for command in commands_of(saga)}
    return (known | {Failure.message_type: Failure})[entry.message_type or ""]
