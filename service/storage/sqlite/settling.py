"""Makes sure, before a database is opened, that what a former life has left in its WAL is on the disk."""

import os
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 20


def rewrite_wal(database: Path) -> None:
    """Write a database's WAL over itself, and sync it. There is none after an orderly end.

    After a sync that failed the operating system may go on to show what never reached the disk, and call it written.
    SQLite would take it for committed, and what comes behind it in the file would be lost with it in a power cut.
    """
    wal = database.with_name(database.name + "-wal")
    if not wal.exists():
        return
    descriptor, offset = os.open(wal, os.O_RDWR), 0
    try:
        while piece := os.pread(descriptor, _PIECE, offset):
            offset += os.pwrite(descriptor, piece, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
