"""Moving a live instance from one version of its saga to another, where nothing is lost and nothing done twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias, assert_never

from msgspec.structs import replace
from pydantic import ValidationError

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
    StepPlan,
    inside,
    leaf,
    walk,
)
from saga_coordinator.sagas.language.wording import format_count
from saga_coordinator.sagas.machine import Instance, Progress, Status, StepRun, address
from saga_coordinator.sagas.machine.progress import begun, is_abandoned, is_past_pivot, is_settled, pivots_sent
from saga_coordinator.sagas.planning.undo_plan import undo_plan
from saga_coordinator.sagas.versions.diff import AnySaga
from saga_coordinator.sagas.versions.mapping import SAME_NAMES, VersionMapping, VersionPair, pair_of, read, translated

Nodes: TypeAlias = tuple[Node[Any], ...]

ASKED, WAITING, DONE, UNKNOWN = Progress.ASKED, Progress.WAITING, Progress.DONE, Progress.UNKNOWN


class Disposition(StrEnum):
    """What becomes of an instance when its saga has another version."""

    MOVES = "moves"
    """It continues in the other version."""
    ASKS = "needs a mapping"
    """The definitions do not say what has become of something that it has."""
    DRAINS = "drains"
    """It ends in its own version."""
    REFUSED = "refused"
    """To move it would lose a compensation, or do a step twice."""


@dataclass(frozen=True, slots=True)
class Migration:
    """What becomes of an instance, and why. `instance` is the moved one if it moves, `dropped` what data it loses."""

    fate: Disposition
    reasons: tuple[str, ...] = ()
    instance: Instance[Any] | None = None
    dropped: tuple[str, ...] = ()


def plan_migration(old: AnySaga, new: AnySaga, instance: Instance[Any], by: VersionMapping = SAME_NAMES) -> Migration:
    """Return what becomes of a live instance of `old` that is to continue in `new`. Pure."""
    pair = pair_of(old, new, by)
    if drains := {leaf(name) for name in begun(instance)} & set(by.drains):
        return Migration(Disposition.DRAINS, tuple(f"it has reached {name}, which drains" for name in sorted(drains)))
    data_read = read(old, new, instance.data, by)
    asks = (*unclear(pair, instance), *data_read.asks)
    if asks:
        return Migration(Disposition.ASKS, asks)
    draft = translated(pair, instance, data_read.data)
    if unread := tuple(unreadable(pair, draft)):
        return Migration(Disposition.DRAINS, unread)
    for fate, found in ((Disposition.REFUSED, lost), (Disposition.DRAINS, obstacles)):
        if reasons := tuple(found(pair, instance, draft)):
            return Migration(fate, reasons)
    return Migration(Disposition.MOVES, (), draft, data_read.dropped)


# --- needs a mapping: a name that is gone

SAYS_THE_SAME: Final = {
    "step": ("command", "compensation"),
    "pivot": ("command",),
    "for_each": ("command", "compensation"),
    "receive": ("event",),
    "branch": ("predicate",),
}
"""The facts by which a new node may be a removed one under another name, for each kind of node."""


def unclear(pair: VersionPair, instance: Instance[Any]) -> Iterator[str]:
    """Yield the nodes that an instance has begun, that were removed, and that may exist under a new name."""
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
    """Yield the new nodes that do what a removed node did."""
    was, taken = pair.was[name], set(pair.by.steps.values())
    for other, part in pair.now.items():
        if other in pair.was or other in taken:
            continue
        facts = [(was.facts.get(fact), part.facts.get(fact)) for fact in SAYS_THE_SAME.get(was.kind, ())]
        if part.kind == was.kind and any(before == after not in {None, "none"} for before, after in facts):
            yield other


# --- refused: what a move would lose or do twice


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
    for name in pivots_sent(pair.old.plan, instance):
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
        now = pair.fact(name, "command")[1] if pair.is_kept(name) else None
        if run.forward.progress in {ASKED, DONE, UNKNOWN} and command in open_ and now != command:
            yield f"{name} would be done twice: {open_[command]} of version {pair.new.version} sends {command} again"


def obligations(saga: AnySaga, instance: Instance[Any]) -> tuple[str, ...]:
    """Return the steps that are or may be done and that this definition would compensate, in that order."""
    if is_past_pivot(saga.plan, instance):
        return ()
    steps = {name: _as_if_compensating(run) for name, run in instance.steps.items()}
    cause = Cause(None, "migration", "to see what would be compensated")
    failed = replace(
        instance, status=Status.COMPENSATING, cause=cause, stall=None, paused_at=None, steps=steps, waits={}
    )
    return tuple(name for wave in undo_plan(saga, failed, instance.started_at).waves for name in wave)


def compensation_errors(saga: AnySaga, instance: Instance[Any]) -> Iterator[str]:
    """Yield what the compensations raise when they are made from the data of this instance."""
    for name in obligations(saga, instance):
        try:
            _make_compensation(saga.plan.step(name), instance, name)
        except Exception as error:  # noqa: BLE001  an author's function may raise anything
            yield f"the compensation of {name} raises {type(error).__name__}: {error}"


def _make_compensation(step_plan: StepPlan[Any], instance: Instance[Any], name: str) -> None:
    listed = [items[name] for items in instance.lists.values() if name in items]
    item = [step_plan.item.validate_json(each) for each in listed] if step_plan.item else []
    if step_plan.step.compensate is not None:
        step_plan.step.compensate(instance.data, *item).model_dump_json()


def _as_if_compensating(run: StepRun) -> StepRun:
    """A step that waits to be sent again is not sent, and an unacknowledged compensation is still to be done."""
    forward = run.forward
    if forward.progress is Progress.WAITING:
        forward = replace(forward, progress=Progress.REFUSED, due_at=None)
    is_undone = run.compensation is not None and run.compensation.progress is Progress.DONE
    return StepRun(forward, run.compensation if is_undone else None)


# --- drains: why it ends in its own version


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
    """Yield the commands that may still be answered, and whose answer does not fit the new version."""
    for name, run in instance.steps.items():
        is_open = run.forward.progress in {ASKED, WAITING}
        if is_open and not pair.is_kept(name):
            yield f"{name} is in flight, and is no step of version {pair.new.version}"
        if not pair.is_kept(name):
            continue
        for fact, command in (("command", run.forward), ("reply", run.forward), ("compensation", run.compensation)):
            before, after = pair.fact(name, fact)
            if command is not None and command.progress in {ASKED, UNKNOWN} and before != after:
                yield f"{name} awaits an answer, and its {fact} has changed from {before} to {after}"


def _open_waits(pair: VersionPair, instance: Instance[Any], draft: Instance[Any]) -> Iterator[str]:
    """Yield the waits that the new version lacks, or in which it would wait for something else."""
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
    """Return where a receive awaits its event, or what its `expects` raises: no event is awaited there."""
    if node.expects is None:
        return instance.id
    try:
        return address(saga.name, node.name, node.expects(instance.data))
    except Exception as error:  # noqa: BLE001  an author's function may raise anything, and then finds no key
        return repr(error)


def _open_attempts(pair: VersionPair, instance: Instance[Any]) -> Iterator[str]:
    """Yield the alternatives tried so far that are other ones in the new version."""
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
    """Yield what belongs to an abandoned alternative, and to none in the new version."""
    for name in (*instance.steps, *instance.waits):
        was_left = pair.is_kept(name) and is_abandoned(pair.old.plan, instance, name, already=False)
        if was_left and not is_abandoned(pair.new.plan, draft, pair.by.name(name), already=False):
            yield f"{name} was left for another alternative, and is none in version {pair.new.version}"


def unreadable(pair: VersionPair, draft: Instance[Any]) -> Iterator[str]:
    """Yield the recorded items of lists that the new version cannot read: none of its functions can be called then."""
    for name, items in draft.lists.items():
        codec = pair.new.plan.steps[name].item_codec
        for step, item in items.items():
            try:
                codec.validate_json(item)
            except ValidationError as error:
                yield f"the recorded item of {step} does not fit any more: {format_count(error.error_count(), 'error')}"


# --- what the new version would have done before


def gaps(instance: Instance[Any], nodes: Nodes) -> Iterator[str]:
    """Yield the nodes that are not settled although a later one was reached: they would be done too late."""
    for number, node in enumerate(nodes):
        if not is_settled(instance, node) and any(_reached(instance, each) for each in nodes[number + 1 :]):
            yield _called(node)
        else:
            yield from _gaps_in(instance, node)


def _gaps_in(instance: Instance[Any], node: Node[Any]) -> Iterator[str]:
    match node:
        case Step() | ForEach() | Receive() | Delay():
            return
        case Series():
            yield from gaps(instance, node.nodes)
        case Parallel():
            for member in node.nodes:
                yield from gaps(instance, (member,))
        case Branch():
            taken = node.taken(instance.choices) or ()
            yield from (node.name for each in inside(node) if each not in taken and _reached(instance, each))
            yield from gaps(instance, taken)
        case Alternatives():
            yield from _gaps_tried(instance, node)
        case _:
            assert_never(node)


def _gaps_tried(instance: Instance[Any], node: Alternatives[Any]) -> Iterator[str]:
    attempt = instance.attempts.get(node.name)
    untried = node.nodes if attempt is None else node.nodes[attempt.number + 1 :]
    yield from (node.name for each in untried if _reached(instance, each))
    if attempt is not None and attempt.cause is None:
        yield from gaps(instance, (node.nodes[attempt.number],))


def _reached(instance: Instance[Any], node: Node[Any]) -> bool:
    names = begun(instance)
    return any(not isinstance(each, Series | Parallel) and each.name in names for each in walk((node,)))


def _called(node: Node[Any]) -> str:
    """Name a node, a group by the first name in it."""
    return next(each.name for each in walk((node,)) if not isinstance(each, Series | Parallel))
