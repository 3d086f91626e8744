"""Disks that fail on purpose: a small one that is full, files that may not be written to, a database that is locked."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

SMALL: Final = "48m"

Trouble = Callable[[Path], AbstractContextManager[None]]
"""What is wrong with the disk of a database for as long as the block."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 48 MB, in memory, for the log of 16 MB too; without the right to mount one the test is skipped."""
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    folder.mkdir()
    mounted = run("mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder))
    if mounted is not None:
        pytest.skip(f"no small disk can be mounted here: {mounted}")
    try:
        yield folder
    finally:
        assert run("umount", "--lazy", str(folder)) is None


@contextmanager
def full(database: Path) -> Iterator[None]:
    """Leave no room beside a database."""
    ballast = database.with_name("ballast")
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(database: Path) -> Iterator[None]:
    """Let nobody write to a database, not even who has it open; where that cannot be, the test is skipped."""
    wal = database.with_name(database.name + "-wal")
    files = [str(each) for each in (database, wal) if each.exists()]
    refused = run("chattr", "+i", *files)
    if refused is not None:
        run("chattr", "-i", *files)
        pytest.skip(f"files cannot be made immutable here, which takes root and ext4, xfs or btrfs: {refused}")
    try:
        yield
    finally:
        assert run("chattr", "-i", *files) is None


@contextmanager
def on_read_only_disk(database: Path) -> Iterator[None]:
    """Lay a disk that nobody may write to over a database's folder; without the right to do so the test is skipped."""
    refused = run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(database.parent))
    if refused is not None:
        pytest.skip(f"no disk can be mounted here: {refused}")
    try:
        yield
    finally:
        assert run("umount", "--lazy", str(database.parent)) is None


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Let another program write to a database, and not end."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def stuck(pid: int) -> Iterator[None]:
    """Let the disk of a process not answer: each fsync takes an hour. Without strace the test is skipped."""
    wrong = ("-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=3600s")
    try:
        tracer = subprocess.Popen(
            ("strace", "-f", "-o", os.devnull, "-p", str(pid), *wrong), stderr=subprocess.PIPE, text=True
        )
    except OSError as error:
        pytest.skip(f"the disk cannot be made to hang: {error}; install strace")
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        pytest.skip(f"the disk cannot be made to hang: {said.strip()}")
    try:
        yield
    finally:
        tracer.kill()  # a signal that it may delay waits as long as the process that it delays
        tracer.communicate()


def run(*command: str) -> str | None:
    """Run a command; return why it failed, or None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return str(error)
    return (done.stderr.strip() or f"{command[0]} ended with {done.returncode}") if done.returncode else None
