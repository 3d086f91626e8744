"""The write-ahead log of a database: its size, and which programs keep it from being used again."""

import os
from pathlib import Path
from typing import Final

SIZE_LIMIT: Final = 64 << 20
"""Bytes: a log that was larger is cut to this size when it is used again."""

_LOCKS: Final = Path("/proc/locks")
_READ_MARKS: Final = range(123, 128)
"""The bytes of the `-shm` file of which a reader locks one (SQLite's WAL-index format, WAL_READ_LOCK)."""


def wal_of(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def describe_readers(database: Path) -> str:
    """Return which other processes read the database at this moment, as far as the system shows them."""
    shm = database.with_name(database.name + "-shm")
    try:
        inode, locks = shm.stat().st_ino, _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return "another program reads it"
    pids = sorted({pid for line in locks if (pid := _reader(line, inode)) not in {None, os.getpid()}})
    return ", ".join(f"process {pid} ({_command(pid)}) reads it" for pid in pids) or "another program reads it"


def _reader(lock: str, inode: int) -> int | None:
    """Return the process that reads by a lock of `/proc/locks`, None if it is no lock of a reader of this file."""
    _, _, _, kind, pid, file, start, *_ = lock.replace("-> ", "").split()
    is_ours = file.endswith(f":{inode}") and kind == "READ" and int(start) in _READ_MARKS
    return int(pid) if is_ours else None


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:100]
    except OSError:
        return "ended"
