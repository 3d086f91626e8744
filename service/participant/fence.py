"""The fence: what becomes of a command, by what the participant has stored about it and about its original. Pure.

It absorbs copies, refuses a command that comes after its compensation, and calls no handler of a compensation that has
nothing to undo.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from saga_coordinator.contracts import Envelope, Failure, Reply


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply as it is stored and sent: its `ce_type`, and its JSON."""

    type: str
    value: bytes

    @property
    def is_failure(self) -> bool:
        return self.type == Failure.message_type


@dataclass(frozen=True, slots=True)
class FenceRow:
    """What is stored about a command that came before. Without a reply it is blocked: only its compensation came.

    `command` is its JSON. `compensated_by` is the id of the compensation that has undone it.
    """

    type: str | None = None
    fingerprint: bytes | None = None
    command: bytes | None = None
    reply: StoredReply | None = None
    compensated_by: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What was stored when a command came: its own row, None for a new one, and that of the command it compensates.

    A compensation always has an original: one that was never seen is blocked by it first.
    """

    own: FenceRow | None = None
    original: FenceRow | None = None


@dataclass(frozen=True, slots=True)
class Execute:
    """Call the handler; a compensation with the row of its original."""

    original: FenceRow | None = None


@dataclass(frozen=True, slots=True)
class Resend:
    """A copy: send the stored reply again."""

    reply: StoredReply


@dataclass(frozen=True, slots=True)
class RefuseUndone:
    """Its compensation came first: it must never be executed."""


@dataclass(frozen=True, slots=True)
class NothingToUndo:
    """The original was never executed, has failed, or is undone already."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The record contradicts what is stored; no reply to it could be true."""

    cause: str


FenceDecision: TypeAlias = Execute | Resend | RefuseUndone | NothingToUndo | Mismatch


def decide(admission: Admission, fingerprint: bytes, compensates: str | None) -> FenceDecision:
    """Return what to do with a command; `compensates` is the `ce_type` of what it undoes, None if it undoes nothing."""
    own, original = admission.own, admission.original
    if own is not None:
        return _decide_known(own, fingerprint)
    if original is None:
        return Execute()
    if original.type is not None and original.type != compensates:
        return Mismatch(f"it compensates a {compensates}, but the command of that id is a {original.type}")
    if original.reply is None or original.reply.is_failure or original.compensated_by is not None:
        return NothingToUndo()
    return Execute(original)


def _decide_known(own: FenceRow, fingerprint: bytes) -> FenceDecision:
    if own.reply is None:
        return RefuseUndone()
    if own.fingerprint != fingerprint:
        return Mismatch("another command with this ce_id came before: each command needs an id of its own")
    return Resend(own.reply)


def fingerprint_of(envelope: Envelope, key: bytes | None, payload: bytes) -> bytes:
    """Return a digest that is the same for all copies of a command, and for no other command."""
    texts = (envelope.type, envelope.compensates, envelope.reply_to, envelope.correlation_id)
    parts = [key, payload, *(None if text is None else text.encode() for text in texts)]
    digest = sha256()
    for part in parts:
        digest.update(b"-" if part is None else b"%d:%b" % (len(part), part))
    return digest.digest()


def stored(reply: Reply) -> StoredReply:
    return StoredReply(reply.message_type, reply.model_dump_json().encode())
