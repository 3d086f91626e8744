"""Why an instance ends in its own version: what is under way in it, and how far it has come, do not fit the other."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from saga_coordinator.sagas.language.nodes import Receive, leaf
from saga_coordinator.sagas.machine import Instance, Progress, address
from saga_coordinator.sagas.versions.draft import VersionPair
from saga_coordinator.sagas.versions.outline import AnySaga
from saga_coordinator.sagas.versions.reach import gaps

ASKED, WAITING, UNKNOWN = Progress.ASKED, Progress.WAITING, Progress.UNKNOWN


def obstacles(pair: VersionPair, instance: Instance[Any], draft: Instance[Any]) -> Iterator[str]:
    """Yield why an instance ends in the old version."""
    yield from _open_steps(pair, instance)
    yield from _open_waits(pair, instance, draft)
    yield from _open_attempts(pair, instance)
    yield from _abandoned_before(pair, instance, draft)
    if instance.cause is None:
        for name in dict.fromkeys(gaps(draft, pair.new.steps)):
            yield f"it is beyond {name}, which version {pair.new.version} wants to be done before"


def _open_steps(pair: VersionPair, instance: Instance[Any]) -> Iterator[str]:
    """Yield the commands that are awaited, or may still be answered, and that the new version does not await so."""
    for name, run in instance.steps.items():
        is_open = run.forward.progress in {ASKED, WAITING}
        if is_open and not pair.is_kept(name):
            yield f"{name} is in flight, and is no step of version {pair.new.version}"
        if not pair.is_kept(name):
            continue
        for fact, command_state in (
            ("command", run.forward),
            ("reply", run.forward),
            ("compensation", run.compensation),
        ):
            before, after = pair.fact(name, fact)
            if command_state is not None and command_state.progress in {ASKED, UNKNOWN} and before != after:
                yield f"{name} awaits an answer, and its {fact} has changed from {before} to {after}"


def _open_waits(pair: VersionPair, instance: Instance[Any], draft: Instance[Any]) -> Iterator[str]:
    """Yield the waits that the new version does not know, or in which it would wait for something else."""
    receives = {node.name: node for node in pair.new.plan.receives}
    for name, wait in instance.waits.items():
        if wait.progress is not ASKED:
            continue
        if not pair.is_kept(name):
            yield f"it waits in {name}, which is not in version {pair.new.version}"
            continue
        node = receives.get(pair.by.name(name))
        before, after = pair.fact(name, "event")
        if before != after:
            yield f"it waits in {name}, and its event has changed from {before} to {after}"
        elif node is not None and _awaited_at(pair.new, node, draft) != wait.address:
            yield f"it waits in {name} under a key that version {pair.new.version} would not find"


def _awaited_at(saga: AnySaga, node: Receive[Any], instance: Instance[Any]) -> str:
    """Return where a receive awaits its event, or what its `expects` raises: nothing is awaited there."""
    if node.expects is None:
        return instance.id
    try:
        return address(saga.name, node.name, node.expects(instance.data))
    except Exception as error:  # noqa: BLE001  an author's function may raise anything, and then finds no key
        return repr(error)


def _open_attempts(pair: VersionPair, instance: Instance[Any]) -> Iterator[str]:
    """Yield the alternatives whose trials so far are other ones in the new version."""
    for name, attempt in instance.attempts.items():
        if not pair.is_kept(name):
            if attempt.cause is not None:
                yield f"it undoes an alternative of {name}, which is not in version {pair.new.version}"
            continue
        for number in range(attempt.number + 1):
            before = {pair.by.name(each) for each in pair.old.plan.leaves_in(name, number)}
            if not before & pair.new.plan.leaves_in(pair.by.name(name), number) and before:
                yield f"alternative {number + 1} of {name} is another one in version {pair.new.version}"


def _abandoned_before(pair: VersionPair, instance: Instance[Any], draft: Instance[Any]) -> Iterator[str]:
    """Yield what belongs to an alternative that was left, and would stand on the way in the new version."""
    for name in (*instance.steps, *instance.waits):
        was_left = pair.is_kept(name) and _is_abandoned(pair.old, instance, name)
        if was_left and not _is_abandoned(pair.new, draft, pair.by.name(name)):
            yield f"{name} was left for another alternative, and is none in version {pair.new.version}"


def _is_abandoned(saga: AnySaga, instance: Instance[Any], name: str) -> bool:
    """Say whether an alternative around a node was left for the next one, or is being left."""
    for scope in saga.plan.scopes.get(leaf(name), ()):
        attempt = instance.attempts.get(scope.name)
        if attempt is not None and (
            attempt.number > scope.number or (attempt.number == scope.number and attempt.cause)
        ):
            return True
    return False


def unreadable(pair: VersionPair, draft: Instance[Any]) -> Iterator[str]:
    """Yield the recorded items of lists that the new version cannot read: none of its functions can be asked then."""
    for name, items in draft.lists.items():
        codec = pair.new.plan.steps[name].item
        for step, item in items.items():
            try:
                if codec is not None:
                    codec.validate_json(item)
            except ValidationError as error:
                yield f"the recorded item of {step} does not fit any more: {error.error_count()} errors"
