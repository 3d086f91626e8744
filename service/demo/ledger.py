"""A participant's own ledger: what it did and undid, once for each command id, and the fence against late originals."""

import json
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path
from typing import Final, Self

from saga_coordinator.service.demo.conversation import (
    COMMANDS,
    DONE,
    PARTICIPANTS,
    Command,
    CommandKind,
    Reply,
    failure,
    reply_with,
)
from saga_coordinator.service.demo.entries import Effect, Entry, Line, Repeat, Violation, from_line, to_line


class Ledger:
    """What one participant did. In memory, and in an append-only file of JSON lines if it has a path.

    `flush` writes what is new in one piece; a torn last line, left by a kill, is cut off when the file is opened again.
    Replies must leave after `flush`: then what was answered is in the file, and what is lost was never answered.
    """

    def __init__(self, participant: str, path: Path | None = None) -> None:
        self.participant: Final = participant
        self.repeats = 0
        self._entries: dict[str, Entry] = {}
        self._undone: set[str] = set()
        self._violations: list[str] = []
        self._unwritten: list[Line] = []
        self._file = None if path is None else self._open(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The ledger that a file tells, to look at; the file stays as it is and is not written to."""
        ledger = cls(path.stem)
        ledger._replay(_whole_lines(path))
        return ledger

    @property
    def entries(self) -> Iterator[Entry]:
        """Every command id once, in the order in which they came."""
        return iter(self._entries.values())

    @property
    def violations(self) -> tuple[str, ...]:
        """What must never happen and did, as sentences."""
        return tuple(self._violations)

    def has(self, command_id: str) -> bool:
        """Whether this id came before."""
        return command_id in self._entries

    def find_repeat(self, command: Command) -> Entry | None:
        """What became of this id when it came first, or None. A repeat is counted; another content is a violation."""
        entry = self._entries.get(command.id)
        if entry is None:
            return None
        self.repeats += 1
        self._unwritten.append(Repeat(command.id))
        if entry.fingerprint != command.fingerprint:
            self.add_violation(f"{command.kind.type} {command.id} of order {command.order_id} came with two contents")
        return entry

    def execute(self, command: Command, refusal: Reply | None) -> Entry:
        """Carry out or refuse a command that comes for the first time; a fenced one has no effect in any case."""
        if command.id in self._undone:
            late = failure("compensated-already", "this command was undone before it came", retryable=False)
            return self._record(command, Effect.COMPENSATED_ALREADY, late)
        if refusal is not None:
            return self._record(command, Effect.REFUSED, refusal)
        if command.compensates is not None:
            return self._undo(command, command.compensates)
        return self._record(command, Effect.DONE, reply_with(command.kind, _reference(command.kind, command.id)))

    def add_violation(self, sentence: str) -> None:
        """Note something that must never happen."""
        self._violations.append(sentence)
        self._unwritten.append(Violation(sentence))

    def flush(self) -> None:
        """Hand all that is new to the operating system; after that a kill of this process loses none of it."""
        if self._file is not None and self._unwritten:
            self._file.write(b"".join(to_line(line) for line in self._unwritten))
            self._file.flush()
        self._unwritten.clear()

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()

    def _undo(self, command: Command, compensates: str) -> Entry:
        original = self._entries.get(compensates)
        if original is not None and original.type != command.kind.undoes:
            self.add_violation(f"{command.kind.type} {command.id} undoes {compensates}, which is a {original.type}")
        effective = original is not None and original.did is Effect.DONE and compensates not in self._undone
        if effective and not _names_its_reference(command, compensates):
            self.add_violation(f"{command.kind.type} {command.id} names a reference that {compensates} never gave")
        return self._record(command, Effect.UNDONE if effective else Effect.NOTHING_TO_UNDO, DONE)

    def _record(self, command: Command, did: Effect, reply: Reply) -> Entry:
        entry = Entry(
            command.id, command.kind.type, command.order_id, command.fingerprint, did, reply, command.compensates
        )
        self._add(entry)
        self._unwritten.append(entry)
        return entry

    def _add(self, entry: Entry) -> None:
        self._entries[entry.command_id] = entry
        if entry.compensates is not None and entry.did is not Effect.REFUSED:
            self._undone.add(entry.compensates)

    def _open(self, path: Path) -> BufferedWriter:
        whole = _whole_lines(path) if path.exists() else b""
        self._replay(whole)
        file = path.open("ab")
        file.truncate(len(whole))
        return file

    def _replay(self, lines: bytes) -> None:
        for text in lines.splitlines():
            match from_line(text):
                case Entry() as entry:
                    if entry.command_id in self._entries:
                        self._violations.append(f"{entry.type} {entry.command_id} stands in the ledger twice")
                    self._add(entry)
                case Repeat():
                    self.repeats += 1
                case Violation(sentence):
                    self._violations.append(sentence)


def open_ledgers(directory: Path | None) -> dict[str, Ledger]:
    """The ledgers of all five participants by name: in memory, or each in `<directory>/<participant>.jsonl`."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    return {name: Ledger(name, None if directory is None else directory / f"{name}.jsonl") for name in PARTICIPANTS}


def read_ledgers(directory: Path) -> dict[str, Ledger]:
    """The ledgers that `open_ledgers` left in a directory, to look at.

    Raises:
        FileNotFoundError: One of the five files is missing.
    """
    return {name: Ledger.read(directory / f"{name}.jsonl") for name in PARTICIPANTS}


def _reference(kind: CommandKind, command_id: str) -> str:
    return f"{kind.participant}-{command_id}"


def _names_its_reference(undo: Command, original_id: str) -> bool:
    kind = COMMANDS[undo.kind.undoes or ""]
    try:
        named = json.loads(undo.value).get(kind.gives)
    except (ValueError, AttributeError):
        return False
    return named is None or named == _reference(kind, original_id)


def _whole_lines(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]
