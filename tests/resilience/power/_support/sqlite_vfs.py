"""SQLite's layer between a database and its files, as its C header has it, in the very library that Python uses."""

import _sqlite3
from collections.abc import Callable
from ctypes import CDLL, CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from functools import cache
from typing import Any

OK = 0
IOERR_FSYNC = 1034
OPEN_DIRECTORY = b"openDirectory"
"""The system call by which SQLite opens a file's folder, in order to sync it."""

Call = Callable[..., int]

Close = CFUNCTYPE(c_int, c_void_p)
Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
Sync = CFUNCTYPE(c_int, c_void_p, c_int)
Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
SetSystemCall = CFUNCTYPE(c_int, c_void_p, c_char_p, c_void_p)
GetSystemCall = CFUNCTYPE(c_void_p, c_void_p, c_char_p)
OpenDirectory = CFUNCTYPE(c_int, c_void_p, c_void_p)


class Methods(Structure):
    """`sqlite3_io_methods`, version 3: what can be done to an open file, whose first word is the address of these.

    In version 1 there is no shared memory.
    """

    version: int
    close: Call
    write: Call
    truncate: Call
    sync: Call
    _fields_ = (
        ("version", c_int),
        ("close", Close),
        ("read", c_void_p),
        ("write", Write),
        ("truncate", Truncate),
        ("sync", Sync),
        ("sizes_locks_memory", c_void_p * 13),
    )


class Vfs(Structure):
    """`sqlite3_vfs`, version 3: how files are opened and deleted, and by which system calls."""

    name: bytes
    open: Call
    delete: Call
    set_system_call: Call
    get_system_call: Call
    _fields_ = (
        ("version", c_int),
        ("size_of_file", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", Open),
        ("delete", Delete),
        ("paths_chance_time", c_void_p * 11),
        ("set_system_call", SetSystemCall),
        ("get_system_call", GetSystemCall),
        ("next_system_call", c_void_p),
    )


@cache
def library() -> Any:  # noqa: ANN401  a library's functions have the types that the caller gives them
    """Return the SQLite beneath Python's `sqlite3`; None where it is built in such that nobody else can call it."""
    found = CDLL(getattr(_sqlite3, "__file__", None))
    if not hasattr(found, "sqlite3_vfs_find"):
        return None
    found.sqlite3_vfs_find.restype = POINTER(Vfs)
    found.sqlite3_vfs_find.argtypes = (c_char_p,)
    found.sqlite3_vfs_register.argtypes = (POINTER(Vfs), c_int)
    found.sqlite3_vfs_unregister.argtypes = (POINTER(Vfs),)
    return found
