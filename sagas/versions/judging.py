"""What must be said before an instance moves to another version, and what must not happen to it: lost or done twice."""

from collections.abc import Iterator
from typing import Any

from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import Instance, Progress
from saga_coordinator.sagas.versions.draft import VersionPair, begun
from saga_coordinator.sagas.versions.obligations import compensation_errors, obligations, pivots_sent

ASKED, DONE, UNKNOWN = Progress.ASKED, Progress.DONE, Progress.UNKNOWN
SAYS_THE_SAME = {
    "step": ("command", "compensation"),
    "pivot": ("command",),
    "for_each": ("command", "compensation"),
    "receive": ("event",),
    "branch": ("predicate",),
}
"""By which facts a node that is gone is taken for one that is new, by its kind."""


# --- unclear: a name that is gone


def unclear(pair: VersionPair, instance: Instance[Any]) -> Iterator[str]:
    """Yield the nodes that an instance has begun, that are gone, and that may be there under a new name."""
    for name in dict.fromkeys(map(leaf, begun(instance))):
        if pair.is_kept(name) or name in pair.by.steps:
            continue
        for alike in _alike(pair, name):
            kind = pair.was[name].kind
            yield (
                f"{kind} {name} is not in version {pair.new.version}: if it is {alike} now, "
                f'write {name} = "{alike}" under [steps]'
            )


def _alike(pair: VersionPair, name: str) -> Iterator[str]:
    """Yield the new nodes that do what a node does that is gone."""
    was, taken = pair.was[name], set(pair.by.steps.values())
    for other, part in pair.now.items():
        if other in pair.was or other in taken:
            continue
        facts = [(was.facts.get(fact), part.facts.get(fact)) for fact in SAYS_THE_SAME.get(was.kind, ())]
        if part.kind == was.kind and any(before == after not in {None, "none"} for before, after in facts):
            yield other


# --- lost: what must not happen


def lost(pair: VersionPair, instance: Instance[Any], draft: Instance[Any]) -> Iterator[str]:
    """Yield what a move would lose or do twice."""
    yield from _pivots_lost(pair, instance)
    kept = obligations(pair.new, draft)
    for name in obligations(pair.old, instance):
        if pair.by.name(name) not in kept:
            yield f"the undo of {name} would be lost: version {pair.new.version} would not undo it"
    yield from compensation_errors(pair.new, draft)
    yield from _done_twice(pair, instance, draft)


def _pivots_lost(pair: VersionPair, instance: Instance[Any]) -> Iterator[str]:
    for name in pivots_sent(pair.old, instance):
        if pair.by.name(name) not in pair.new.plan.pivots:
            yield f"the pivot {name} was sent, and is none in version {pair.new.version}: there is no way back from it"


def _done_twice(pair: VersionPair, instance: Instance[Any], draft: Instance[Any]) -> Iterator[str]:
    """Yield the steps that are or may be done and whose command a new step would send again."""
    open_ = {
        part.facts["command"]: name
        for name, part in pair.now.items()
        if name not in pair.was and "command" in part.facts and name not in set(map(leaf, begun(draft)))
    }
    for name, run in instance.steps.items():
        command = pair.was[leaf(name)].facts["command"]
        if run.forward.progress in {ASKED, DONE, UNKNOWN} and command in open_ and _says(pair, name) != command:
            yield f"{name} would be done twice: {open_[command]} of version {pair.new.version} sends {command} again"


def _says(pair: VersionPair, name: str) -> str | None:
    """Return the command that a step has in the new version."""
    return pair.fact(name, "command")[1] if pair.is_kept(name) else None
