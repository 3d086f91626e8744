"""The write-ahead log of a database: its size, what the last run left in it, and which programs read it."""

import os
from pathlib import Path
from typing import Final

SIZE_LIMIT: Final = 64 << 20
"""Bytes: a log that was larger is cut to this size when it is used again."""

_CHUNK: Final = 1 << 20
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


def rewrite_wal(database: Path) -> None:
    """Write the WAL that the last run left over itself, and sync it. After an orderly shutdown there is none.

    After a failed sync the operating system may still show what never reached the disk, and call it written. SQLite
    would read it as committed, and what follows it in the file would be lost with it in a power cut.
    """
    wal = wal_of(database)
    if not wal.exists():
        return
    descriptor, offset = os.open(wal, os.O_RDWR), 0
    try:
        while chunk := os.pread(descriptor, _CHUNK, offset):
            offset += os.pwrite(descriptor, chunk, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
