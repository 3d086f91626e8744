"""What differs between two definitions, and what each difference means for instances in flight."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from saga_coordinator.sagas.versions.outline import AnySaga, Part, fields_of, parts_of, whole_of


class What(StrEnum):
    """What has become of a part."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of what (`step charge-card`), from what to what, and what it means for instances in flight.

    An instance keeps its version, so all this concerns those that are to be moved to the other one.
    """

    what: What
    subject: str
    detail: str
    means: str


MEANS: Final[Mapping[str, str]] = {
    "command": "one in flight is answered by the old reply, so its instance ends in the old version; one that is done "
    "stays done",
    "reply": "one in flight is answered by the old reply, so its instance ends in the old version",
    "compensation": "what the old command did is undone by the new compensation: its participant has to understand it",
    "timeout": "it counts from the next sending; a wait that has begun keeps its end",
    "retry": "sendings so far count: an instance that has had more than the new retry allows gives up at its next turn",
    "retry of the compensation": "sendings so far count: with fewer allowed than were sent it stalls at its next turn",
    "undone when unknown": "it decides whether a silent step is undone, in every instance that has not undone it yet",
    "remembers the reply": "only what is answered after the move is remembered so",
    "remembers the event": "only what comes after the move is remembered so",
    "limit": "it counts at the next turn",
    "event": "an instance that waits for the old event ends in the old version",
    "key": "an instance that waits under the old key ends in the old version",
    "hold": "it counts for events that come early from now on",
    "lasts": "a wait that has begun keeps its end",
    "predicate": "a choice once made stays; only instances that have not reached it choose anew",
    "tried": "an instance in the middle of it ends in the old version if what it tried before has changed",
    "starts on": "nothing: they have started",
    "is cancelled by": "it counts from the first deployment: the newest version says what cancels",
    "deadline": "nothing: it was set at the start",
    "when completed tells": "those that complete tell the new outcome: its listeners have to understand it",
    "when compensated tells": "those that turn back tell the new outcome: its listeners have to understand it",
}
"""What a change of a declared fact means for instances that have come so far."""

KIND: Final = "an instance that has reached it ends in the old version: it is another kind of node now"
ADDED: Final = (
    "those that have not come to its place will pass through it; one that is beyond its place ends in the old version"
)
REMOVED: Final = "those that have not reached it never will; one that waits in it ends in the old version"
UNDONE_BEFORE: Final = (
    "; where it is done its compensation would be lost, so a plan that moves such an instance is refused"
)
MOVED: Final = (
    "what is done stays done, and is undone in the new order; one that is beyond the new place of what it has \
not done ends in the old version"
)
FIELD_REQUIRED: Final = "no instance has it: its mapping has to give a value"
FIELD_OPTIONAL: Final = "instances take its default, unless the mapping says which old field it was"
FIELD_REMOVED: Final = "its value is dropped"
FIELD_CHANGED: Final = "an instance whose value does not fit needs another one from the mapping"


def differences(old: AnySaga, new: AnySaga) -> list[Change]:
    """Return what has to be changed in one definition to come to the other: as a whole, its nodes, its data."""
    changes = [
        Change(What.CHANGED, "saga", detail, MEANS[fact]) for fact, detail in _differing(whole_of(old), whole_of(new))
    ]
    return [*changes, *_of_parts(parts_of(old), parts_of(new)), *_of_fields(fields_of(old), fields_of(new))]


def _of_parts(old: Mapping[str, Part], new: Mapping[str, Part]) -> Iterator[Change]:
    for name, part in old.items():
        if name not in new:
            yield Change(What.REMOVED, f"{part.kind} {name}", _place(part), REMOVED + _lost(part, old, new))
    stays = _in_order([name for name in old if name in new], [name for name in new if name in old])
    for name, part in new.items():
        if name not in old:
            yield Change(What.ADDED, f"{part.kind} {name}", _place(part), ADDED)
            continue
        yield from _of_part(old[name], part, is_in_order=name in stays)


def _of_part(was: Part, now: Part, *, is_in_order: bool) -> Iterator[Change]:
    """Yield how a part differs that both definitions have."""
    subject = f"{now.kind} {now.name}"
    if was.around != now.around:
        yield Change(What.MOVED, subject, f"{_place(was)} -> {_place(now)}", MOVED)
    elif not is_in_order:
        yield Change(What.MOVED, subject, "stands elsewhere in the order", MOVED)
    if was.kind != now.kind:
        yield Change(What.CHANGED, subject, f"kind: {was.kind} -> {now.kind}", KIND)
    for fact, detail in _differing(was.facts, now.facts):
        yield Change(What.CHANGED, subject, detail, MEANS[fact])


def _of_fields(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name, declared in old.items():
        if name not in new:
            yield Change(What.REMOVED, f"data field {name}", declared, FIELD_REMOVED)
    for name, declared in new.items():
        if name not in old:
            means = FIELD_REQUIRED if declared.endswith("required") else FIELD_OPTIONAL
            yield Change(What.ADDED, f"data field {name}", declared, means)
        elif old[name] != declared:
            yield Change(What.CHANGED, f"data field {name}", f"{old[name]} -> {declared}", FIELD_CHANGED)


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the facts that both have and that differ, with a word on how."""
    for fact, was in old.items():
        if fact in new and new[fact] != was:
            yield fact, f"{fact}: {was} -> {new[fact]}"


def _lost(part: Part, old: Mapping[str, Part], new: Mapping[str, Part]) -> str:
    """Say what a removed step leaves behind, and whether a new one may be the same under another name."""
    lost = UNDONE_BEFORE if part.facts.get("compensation", "none") != "none" else ""
    command = part.facts.get("command")
    alike = [name for name, each in new.items() if name not in old and command and each.facts.get("command") == command]
    return lost + "".join(f"; if it is {name} now, say so in the mapping of `saga migrate`" for name in alike)


def _place(part: Part) -> str:
    return "in " + ", ".join(reversed(part.around)) if part.around else "in the main sequence"


def _in_order(old: Sequence[str], new: Sequence[str]) -> set[str]:
    """Return the most names that stand in the same order in both: the others have moved."""
    place = {name: number for number, name in enumerate(old)}
    longest: list[list[str]] = [[]]
    for name in new:
        before = [way for way in longest if not way or place[way[-1]] < place[name]]
        longest.append([*max(before, key=len), name])
    most = max(longest, key=len)
    return set(most)
