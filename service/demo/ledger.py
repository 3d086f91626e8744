"""A participant's ledger: the effect of each command id, once, and the fence that keeps a late original out."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedWriter
from pathlib import Path
from typing import Final, Self

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from saga_coordinator.service.demo.conversation import (
    COMMANDS,
    DONE,
    PARTICIPANTS,
    CommandKind,
    EncodedReply,
    ReceivedCommand,
    failure,
    reply_with,
)


class Effect(StrEnum):
    """What a command changed: something by DONE and COMPENSATED, nothing by the others."""

    DONE = "done"
    COMPENSATED = "compensated"
    REFUSED = "refused"
    NOTHING_TO_COMPENSATE = "nothing to compensate"
    COMPENSATED_ALREADY = "compensated already"


_NET: Final = {Effect.DONE: 1, Effect.COMPENSATED: -1}


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One command id and its effect; `compensates` is the command id that a compensation takes back."""

    command_id: str
    type: str
    order_id: str
    fingerprint: str
    effect: Effect
    reply: EncodedReply
    compensates: str | None = None

    @property
    def net(self) -> int:
        """Return what it changed: +1 done, -1 compensated, 0 nothing."""
        return _NET.get(self.effect, 0)


_ENTRY: Final = TypeAdapter(LedgerEntry)


class EffectLedger:
    """The effects of one participant. In memory, and in an append-only file of JSON lines if it has a path.

    `flush` writes what is new in one piece; a torn last line, left by a kill, is cut off when the file is opened again.
    Replies must leave after `flush`: then what was answered is in the file, and what is lost was never answered.
    """

    def __init__(self, participant: str, path: Path | None = None) -> None:
        self.participant: Final = participant
        self.repeats = 0
        self._entries: dict[str, LedgerEntry] = {}
        self._compensated: set[str] = set()
        self._violations: list[str] = []
        self._unwritten: list[object] = []
        self._file = None if path is None else self._open(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the ledger in a file, to look at; the file stays as it is and is not written to."""
        ledger = cls(path.stem)
        ledger._replay(_whole_lines(path))
        return ledger

    @property
    def entries(self) -> Iterator[LedgerEntry]:
        """Iterate over every command id once, in the order of their arrival."""
        return iter(self._entries.values())

    @property
    def violations(self) -> tuple[str, ...]:
        """Return what must never happen and did, as sentences."""
        return tuple(self._violations)

    def has(self, command_id: str) -> bool:
        return command_id in self._entries

    def find_repeat(self, command: ReceivedCommand) -> LedgerEntry | None:
        """Return the first entry of this id, or None. A repeat is counted; another content is a violation."""
        entry = self._entries.get(command.id)
        if entry is None:
            return None
        self.repeats += 1
        self._unwritten.append({"repeat": command.id})
        if entry.fingerprint != command.fingerprint:
            self.add_violation(f"{command.kind.type} {command.id} of order {command.order_id} came with two contents")
        return entry

    def execute(self, command: ReceivedCommand, refusal: EncodedReply | None) -> LedgerEntry:
        """Carry out or refuse a command on its first delivery; a fenced one has no effect in any case."""
        if command.id in self._compensated:
            late = failure("compensated-already", "this command was compensated before it came", retryable=False)
            return self._record(command, Effect.COMPENSATED_ALREADY, late)
        if refusal is not None:
            return self._record(command, Effect.REFUSED, refusal)
        if command.envelope.compensates is not None:
            return self._compensate(command, command.envelope.compensates)
        return self._record(command, Effect.DONE, reply_with(command.kind, _reference(command.kind, command.id)))

    def add_violation(self, sentence: str) -> None:
        """Note something that must never happen."""
        self._violations.append(sentence)
        self._unwritten.append({"violation": sentence})

    def flush(self) -> None:
        """Hand all that is new to the operating system; after that a kill of this process loses none of it."""
        if self._file is not None and self._unwritten:
            self._file.write(b"".join(to_json(line) + b"\n" for line in self._unwritten))
            self._file.flush()
        self._unwritten.clear()

    def close(self) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()

    def _compensate(self, command: ReceivedCommand, original_id: str) -> LedgerEntry:
        original = self._entries.get(original_id)
        if original is not None and original.type != command.kind.compensates:
            self.add_violation(
                f"{command.kind.type} {command.id} compensates {original_id}, which is a {original.type}"
            )
        done = original is not None and original.effect is Effect.DONE and original_id not in self._compensated
        if done and not _names_its_reference(command, original_id):
            self.add_violation(f"{command.kind.type} {command.id} names a reference that {original_id} never gave")
        return self._record(command, Effect.COMPENSATED if done else Effect.NOTHING_TO_COMPENSATE, DONE)

    def _record(self, command: ReceivedCommand, effect: Effect, reply: EncodedReply) -> LedgerEntry:
        kind, compensates = command.kind, command.envelope.compensates
        entry = LedgerEntry(command.id, kind.type, command.order_id, command.fingerprint, effect, reply, compensates)
        self._add(entry)
        self._unwritten.append(entry)
        return entry

    def _add(self, entry: LedgerEntry) -> None:
        self._entries[entry.command_id] = entry
        if entry.compensates is not None and entry.effect is not Effect.REFUSED:
            self._compensated.add(entry.compensates)

    def _open(self, path: Path) -> BufferedWriter:
        whole = _whole_lines(path) if path.exists() else b""
        self._replay(whole)
        file = path.open("ab")
        file.truncate(len(whole))
        return file

    def _replay(self, lines: bytes) -> None:
        for text in lines.splitlines():
            match from_json(text):
                case {"repeat": _}:
                    self.repeats += 1
                case {"violation": sentence}:
                    self._violations.append(sentence)
                case line:
                    entry = _ENTRY.validate_python(line)
                    if entry.command_id in self._entries:
                        self._violations.append(f"{entry.type} {entry.command_id} stands in the ledger twice")
                    self._add(entry)


def open_ledgers(directory: Path | None) -> dict[str, EffectLedger]:
    """Return the ledgers of all participants by name: in memory, or each in `<directory>/<participant>.jsonl`."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    return {
        name: EffectLedger(name, None if directory is None else directory / f"{name}.jsonl") for name in PARTICIPANTS
    }


def read_ledgers(directory: Path) -> dict[str, EffectLedger]:
    """Return the ledgers that `open_ledgers` left in a directory, to look at.

    Raises:
        FileNotFoundError: One of the files is missing.
    """
    return {name: EffectLedger.read(directory / f"{name}.jsonl") for name in PARTICIPANTS}


def _reference(kind: CommandKind, command_id: str) -> str:
    return f"{kind.participant}-{command_id}"


def _names_its_reference(command: ReceivedCommand, original_id: str) -> bool:
    original = COMMANDS[command.kind.compensates or ""]
    try:
        named = from_json(command.value).get(original.reference)
    except (ValueError, AttributeError):
        return False
    return named is None or named == _reference(original, original_id)


def _whole_lines(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]
