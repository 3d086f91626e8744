"""The lines of a ledger, as values and as JSON: a command and what became of it, a repeat, a violation."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, assert_never

from saga_coordinator.service.demo.conversation import Reply


class Effect(StrEnum):
    """What became of a command. Only DONE and UNDONE changed anything: the net effect is their difference."""

    DONE = "done"
    UNDONE = "undone"
    REFUSED = "refused"
    NOTHING_TO_UNDO = "nothing to undo"
    COMPENSATED_ALREADY = "compensated already"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command id and what became of it; `compensates` is the command id that an undo takes back."""

    command_id: str
    type: str
    order_id: str
    fingerprint: str
    did: Effect
    reply: Reply
    compensates: str | None = None

    @property
    def effect(self) -> int:
        """What it changed: +1 done, -1 undone, 0 nothing."""
        match self.did:
            case Effect.DONE:
                return 1
            case Effect.UNDONE:
                return -1
            case Effect.REFUSED | Effect.NOTHING_TO_UNDO | Effect.COMPENSATED_ALREADY:
                return 0
        assert_never(self.did)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A command id that came again."""

    command_id: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never happen, as a sentence."""

    sentence: str


Line: TypeAlias = Entry | Repeat | Violation


def to_line(line: Line) -> bytes:
    """The line as it is written, with its end."""
    match line:
        case Entry():
            fields: dict[str, object] = {
                "did": line.did,
                "id": line.command_id,
                "type": line.type,
                "order": line.order_id,
                "fingerprint": line.fingerprint,
                "reply": [line.reply.type, line.reply.value.decode()],
                "compensates": line.compensates,
            }
        case Repeat(command_id):
            fields = {"repeat": command_id}
        case Violation(sentence):
            fields = {"violation": sentence}
        case _:
            assert_never(line)
    return json.dumps(fields).encode() + b"\n"


def from_line(text: bytes) -> Line:
    """The line that was written.

    Raises:
        ValueError: It is none, so the file is no ledger or was changed by hand.
    """
    match json.loads(text):
        case {"did": did, "id": command_id, "type": kind, "order": order_id, "fingerprint": fingerprint,
              "reply": [reply_type, value], "compensates": compensates}:  # fmt: skip
            reply = Reply(reply_type, value.encode())
            return Entry(command_id, kind, order_id, fingerprint, Effect(did), reply, compensates)
        case {"repeat": command_id}:
            return Repeat(command_id)
        case {"violation": sentence}:
            return Violation(sentence)
        case other:
            raise ValueError(f"this is no line of a ledger: {other}")
