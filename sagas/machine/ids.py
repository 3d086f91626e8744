"""Ids and chance, derived: the same instance, step, direction and attempt give the same id on every machine.

UUIDv5 as in RFC 9562, section 5.5. Ids are text, as they travel.
"""

from hashlib import sha1
from uuid import NAMESPACE_URL

_URL = NAMESPACE_URL.bytes
_VARIANT = ("8", "9", "a", "b")


def instance_id(saga: str, key: str) -> str:
    """Return the id of the one instance that this saga has for a correlation key; a child's key is its command's id."""
    return _uuid5(_URL, f"saga:{saga}/{key}")


def address(saga: str, receive: str, key: str) -> str:
    """Return where an event of this key is awaited by a `receive` that expects a key of its own."""
    return _uuid5(_URL, f"event:{saga}/{receive}/{key}")


def cancel_id(command: str) -> str:
    return _uuid5(_bytes(command), "cancel")


def command_id(instance: str, step: str, direction: str, attempt: int) -> str:
    """Return the id of a command. `attempt` grows only after a definite "not done"."""
    return _uuid5(_bytes(instance), "/".join((step, direction, str(attempt))))


def outcome_id(instance: str) -> str:
    return _uuid5(_bytes(instance), "outcome")


def chance(id_: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the id: jitter that a replay repeats."""
    return int(id_[:8], 16) / 2**32


def _bytes(id_: str) -> bytes:
    """Return the bytes of an id; `uuid.UUID` reads it at five times the cost."""
    return bytes.fromhex(id_.replace("-", ""))


def _uuid5(namespace: bytes, name: str) -> str:
    """Write the UUIDv5 of a name. `uuid.uuid5` does the same at three times the cost, on the path of every command."""
    digits = sha1(namespace + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
