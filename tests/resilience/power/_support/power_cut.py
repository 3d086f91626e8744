"""What a disk holds after a power cut: what was synced, and of the rest whatever chance has let reach it.

Each piece of a write within one sector is kept or lost separately, so a write is torn anywhere, and later ones survive
earlier ones: to lose any set of pieces is to have written them in any order. Where a later piece survives beyond one
that was lost, the file holds there nothing, or anything. The names in the folder change in their order, up to a moment.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random

from tests.resilience.power._support.recording_disk import (
    Created,
    Deleted,
    DiskEvent,
    FolderSynced,
    Synced,
    Truncated,
    Written,
)

SECTOR = 512
SHARES = (0.0, 0.5, 0.9, 1.0)
"""How much of what was not synced survives, on an average: one of these, for each cut."""


def after_power_cut(events: Iterable[DiskEvent], chance: Random) -> dict[str, bytes]:
    """Return the files that are there, when the power fails after these events, and what they hold."""
    disk = _Disk(chance)
    for event in events:
        disk.happen(event)
    return disk.left()


@dataclass
class _File:
    """What is on the disk permanently, and what is pending."""

    content: bytearray = field(default_factory=bytearray)
    pending: list[Written | Truncated] = field(default_factory=list)


class _Disk:
    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._share = chance.choice(SHARES)
        self._between = chance.choice((bytes, chance.randbytes))
        self._names: dict[str, _File] = {}
        self._pending_names: list[tuple[str, _File | None]] = []
        self._there: dict[str, _File] = {}

    def happen(self, event: DiskEvent) -> None:
        """Take in one event."""
        match event:
            case Created(name):
                self._there[name] = _File()
                self._pending_names.append((name, self._there[name]))
            case Deleted(name):
                del self._there[name]
                self._pending_names.append((name, None))
            case Written(name) | Truncated(name):
                self._there[name].pending.append(event)
            case Synced(name, is_done):
                self._settle(self._there[name], is_certain=is_done)
            case FolderSynced():
                self._names = dict(self._there)
                self._pending_names.clear()

    def left(self) -> dict[str, bytes]:
        """Return what is left when the power fails now."""
        names: dict[str, _File | None] = {**self._names}
        names.update(self._pending_names[: self._chance.randint(0, len(self._pending_names))])
        files = {name: file for name, file in names.items() if file is not None}
        for file in files.values():
            self._settle(file, is_certain=False)
        return {name: bytes(file.content) for name, file in files.items()}

    def _settle(self, file: _File, *, is_certain: bool) -> None:
        """Write the pending writes of a file: all of them, or a random part; the rest is never written."""
        for each in file.pending:
            match each:
                case Truncated(_, size):
                    if is_certain or self._survives():
                        del file.content[size:]
                        file.content += bytes(size - len(file.content))
                case Written(_, offset, data) if is_certain:
                    _write(file, offset, data, bytes)
                case Written(_, offset, data):
                    for at, piece in _pieces(offset, data):
                        if self._survives():
                            _write(file, at, piece, self._between)
        file.pending.clear()

    def _survives(self) -> bool:
        return self._chance.random() < self._share


def _write(file: _File, offset: int, data: bytes, between: Callable[[int], bytes]) -> None:
    """Write into a file, with whatever lies `between` beyond its end."""
    if offset > len(file.content):
        file.content += between(offset - len(file.content))
    file.content[offset : offset + len(data)] = data


def _pieces(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a write where sectors end."""
    begin = 0
    while begin < len(data):
        end = min(len(data), begin + SECTOR - (offset + begin) % SECTOR)
        yield offset + begin, data[begin:end]
        begin = end
