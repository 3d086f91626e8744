"""Stripes: locks that stand for all addresses at which there is nothing yet, so that nothing there can be locked.

A transaction that writes something at an address where others look for it locks its stripe exclusively. One that looks
there, and writes because nothing was found, locks it at least shared. Both look after they have the lock, in a
statement of its own. They are advisory locks, held until the transaction ends.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

COUNT: Final = 64
CLASS: Final = 0x5A6A

LOCK: Final = f"SELECT pg_advisory_xact_lock({CLASS}, stripe) FROM unnest($1::integer[]) AS stripe"  # noqa: S608  own number
SHARE: Final = f"SELECT pg_advisory_xact_lock_shared({CLASS}, stripe) FROM unnest($1::integer[]) AS stripe"  # noqa: S608  own number


def stripes_of(addresses: Iterable[str]) -> Sequence[int]:
    """Return the stripes of some addresses, in the order in which they are locked."""
    return sorted({crc32(each.encode()) % COUNT for each in addresses})
