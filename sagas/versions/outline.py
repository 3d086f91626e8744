"""The outline of a definition, as text that is kept with its instances: what they rely on while they are in flight.

It contains the nodes, their order and what stands around them, the types and topics of their messages, which steps
have a compensation, the outcomes, and the data that must be there. Not in it, so that they can be changed in place:
timeouts, retries, limits, deadlines, the code and names of functions, and fields with a default.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any, Final

from saga_coordinator.sagas.versions.diff import (
    AnySaga,
    Change,
    ChangeKind,
    DeclaredNode,
    fields_of,
    part_changes,
    parts_of,
    whole_of,
)

CHANGED_IN_PLACE: Final = frozenset({
    "timeout", "retry", "retry of the compensation", "limit", "buffered for", "lasts", "predicate", "deadline",
    "remembers the reply", "remembers the event", "key",
})  # fmt: skip
"""Facts that hold from the next signal on, or are code."""


def outline_of(saga: AnySaga) -> str:
    """Return the outline as JSON; equal definitions give equal text."""
    nodes = [asdict(part) | {"facts": _kept(part.facts)} for part in parts_of(saga).values()]
    required = {name: declared for name, declared in fields_of(saga).items() if declared.endswith("required")}
    return json.dumps({"saga": _kept(whole_of(saga)), "nodes": nodes, "data": required}, sort_keys=True)


def fingerprint(outline: str) -> str:
    """Return a short text that only this outline has."""
    return sha256(outline.encode()).hexdigest()[:12]


def outline_changes(old: str, new: str) -> list[str]:
    """Return what differs between two outlines, each difference in words."""
    was, now = json.loads(old), json.loads(new)
    changes = [_described(each) for each in part_changes(_nodes(was), _nodes(now))]
    for what, label in (("saga", ""), ("data", "data field ")):
        before, after = was[what], now[what]
        changes += [
            f"{label}{name}: {before.get(name, 'not there')} -> {after.get(name, 'not there')}"
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]
    return changes


def _kept(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if name not in CHANGED_IN_PLACE}


def _nodes(outline: Mapping[str, Any]) -> dict[str, DeclaredNode]:
    nodes = (DeclaredNode(**each | {"around": tuple(each["around"])}) for each in outline["nodes"])
    return {node.name: node for node in nodes}


def _described(change: Change) -> str:
    detail = change.detail if change.what in {ChangeKind.CHANGED, ChangeKind.MOVED} else f"({change.detail})"
    return f"{change.subject} {change.what} {detail}"
