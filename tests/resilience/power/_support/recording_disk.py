"""Records what SQLite does to the files of a folder, each write and each sync in order, and lets it be done.

A SQLite VFS that lies over the real one. It is the default while it is there, so the store opens its files through it
and knows nothing of it. The shared memory of the WAL passes it by: it is rebuilt after a crash. Of the syncs of an
open file only the first is really made, that with which SQLite syncs the folder, too: they take most of the time, and
it is the record that says what a power cut leaves.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, addressof, byref, c_void_p, cast, string_at
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.resilience.power._support import sqlite_vfs
from tests.resilience.power._support.sqlite_vfs import IOERR_FSYNC, OK, OPEN_DIRECTORY, Call, Methods, Vfs


class Created(NamedTuple):
    """A file is new in the folder."""

    name: str


class Deleted(NamedTuple):
    """A file is no longer in the folder."""

    name: str


class Written(NamedTuple):
    """Bytes were given to the operating system."""

    name: str
    offset: int
    data: bytes


class Truncated(NamedTuple):
    """A file was given another size."""

    name: str
    size: int


class Synced(NamedTuple):
    """A file was brought to the disk. If that failed, the pending writes are dropped."""

    name: str
    is_done: bool = True


class FolderSynced(NamedTuple):
    """The names in the folder were brought to the disk."""


DiskEvent = Created | Deleted | Written | Truncated | Synced | FolderSynced
OnEvent = Callable[[DiskEvent], None]
Fails = Callable[[str], bool]


@contextmanager
def recording(
    folder: Path, on_event: OnEvent, fails: Fails = lambda _: False, *, shares_memory: bool = True
) -> Iterator[None]:
    """Report everything that SQLite does in a folder, and first what is there. `fails` selects whose sync fails.

    A disk that shares no memory allows no WAL. Every connection that was opened meanwhile has to be closed within.
    """
    layer = _Layer(folder.resolve(), on_event, fails)
    layer.shares_memory = shares_memory
    for file in sorted(each for each in folder.iterdir() if each.is_file()):
        for event in (Created(file.name), Written(file.name, 0, file.read_bytes()), Synced(file.name)):
            on_event(event)
    on_event(FolderSynced())
    layer.put_in()
    try:
        with _python_observed(folder, on_event):
            yield
    finally:
        layer.take_out()


@contextmanager
def _python_observed(folder: Path, on_event: OnEvent) -> Iterator[None]:
    """Report what Python itself writes there, without SQLite."""

    def name_of(descriptor: int) -> str | None:
        file = os.fstat(descriptor).st_ino
        return next((each.name for each in folder.iterdir() if each.stat().st_ino == file), None)

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        written = real_pwrite(descriptor, data, offset)
        if name := name_of(descriptor):
            on_event(Written(name, offset, data[:written]))
        return written

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        if name := name_of(descriptor):
            on_event(Synced(name))

    real_pwrite, real_fsync = os.pwrite, os.fsync
    with pytest.MonkeyPatch.context() as system:
        system.setattr(os, "pwrite", pwrite)
        system.setattr(os, "fsync", fsync)
        yield


class _Layer:
    """The VFS: that of the system, with calls in between that report what goes through them."""

    def __init__(self, folder: Path, on_event: OnEvent, fails: Fails) -> None:
        self._folder = folder
        self._on_event = on_event
        self._fails = fails
        self.shares_memory = True
        self._names: dict[int, str] = {}
        self._synced: set[int] = set()
        self._methods: dict[int, Methods] = {}
        self._library = sqlite_vfs.library()
        self._real: Vfs = self._library.sqlite3_vfs_find(None).contents
        self._open_directory = self._real.get_system_call(addressof(self._real), OPEN_DIRECTORY)
        self._vfs = Vfs.from_buffer_copy(self._real)
        self._vfs.name = b"recording"
        self._vfs.open = sqlite_vfs.Open(self._opening)
        self._vfs.delete = sqlite_vfs.Delete(self._deleting)
        self._to_folder = sqlite_vfs.OpenDirectory(self._opening_directory)

    def put_in(self) -> None:
        """Let every file that is opened from now on be opened through this."""
        self._set_open_directory(cast(self._to_folder, c_void_p).value)
        self._library.sqlite3_vfs_register(byref(self._vfs), 1)

    def take_out(self) -> None:
        """Let files be opened as before."""
        self._library.sqlite3_vfs_unregister(byref(self._vfs))
        self._set_open_directory(self._open_directory)
        if self._names:
            raise RuntimeError(f"still open, and about to call what is gone: {sorted(self._names.values())}")

    def _set_open_directory(self, call: int | None) -> None:
        self._real.set_system_call(addressof(self._real), OPEN_DIRECTORY, call)

    def _opening(self, _: int, name: int | None, file: int, flags: int, flags_out: int | None) -> int:
        ours = self._ours(name)
        is_new = ours is not None and not (self._folder / ours).exists()
        code = self._real.open(addressof(self._real), name, file, flags, flags_out)
        if code == OK and ours is not None:
            self._names[file] = ours
            methods = cast(file, POINTER(c_void_p))
            methods[0] = addressof(self._observed(methods[0]))
            if is_new:
                self._on_event(Created(ours))
        return code

    def _deleting(self, _: int, name: int, sync_folder: int) -> int:
        ours = self._ours(name)
        if ours is not None and (self._folder / ours).exists():
            self._on_event(Deleted(ours))  # beforehand: the folder is synced within the call
        return self._real.delete(addressof(self._real), name, sync_folder)

    def _opening_directory(self, name: int, descriptor: int) -> int:
        if self._ours(name) is not None:
            self._on_event(FolderSynced())
        real: Call = sqlite_vfs.OpenDirectory(self._open_directory)
        return real(name, descriptor)

    def _ours(self, name: int | None) -> str | None:
        """Return the file's name in our folder; None if it is elsewhere, or nameless."""
        path = Path(os.fsdecode(string_at(name))) if name else None
        return path.name if path is not None and path.parent == self._folder else None

    def _observed(self, address: int) -> Methods:
        """Return methods that call those at an address, and report it."""
        if address not in self._methods:
            observed = Methods.from_address(address)
            self._methods[address] = self._between(observed)
        return self._methods[address]

    def _between(self, real: Methods) -> Methods:
        def close(file: int) -> int:
            self._names.pop(file)
            self._synced.discard(file)
            return real.close(file)

        def write(file: int, data: int, amount: int, offset: int) -> int:
            event = Written(self._names[file], offset, string_at(data, amount))
            return self._report(real.write(file, data, amount, offset), event)

        def truncate(file: int, size: int) -> int:
            return self._report(real.truncate(file, size), Truncated(self._names[file], size))

        def sync(file: int, flags: int) -> int:
            if self._fails(self._names[file]):
                self._on_event(Synced(self._names[file], is_done=False))
                return IOERR_FSYNC
            is_first = file not in self._synced
            self._synced.add(file)
            return self._report(real.sync(file, flags) if is_first else OK, Synced(self._names[file]))

        between = Methods.from_buffer_copy(real)
        between.version = real.version if self.shares_memory else 1
        between.close, between.write = sqlite_vfs.Close(close), sqlite_vfs.Write(write)
        between.truncate, between.sync = sqlite_vfs.Truncate(truncate), sqlite_vfs.Sync(sync)
        return between

    def _report(self, code: int, event: DiskEvent) -> int:
        """Report what was done, unless it has failed."""
        if code == OK:
            self._on_event(event)
        return code
