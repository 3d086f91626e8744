"""Instances as they are listed and shown."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from saga_coordinator.handlers.records import Place
from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.language.nodes import Delay, ForEach, Receive, Step, walk
from saga_coordinator.sagas.machine import Attempt, Direction, Instance, Progress, Status, instance_id, outcome_id
from saga_coordinator.service.storage.queries import (
    InstanceFilter,
    InstanceRow,
    NeedsAttention,
    ParkedBehind,
    Queries,
    RecordFilter,
)
from saga_coordinator.service.views.pending import (
    CONTRADICTION_SHOWN,
    SENT_OFTEN,
    TIMER_LATE,
    CommandView,
    WaitView,
    attention,
    command_view,
    pending_commands,
    pending_waits,
    wait_view,
)
from saga_coordinator.service.views.records import RecordSummary, records_of, summaries
from saga_coordinator.service.views.timeline import StepDirection, StepTimes, TimelineEntry, timeline
from saga_coordinator.service.views.values import view
from saga_coordinator.service.views.why import Case, why

PAGE: Final = 500
MAX_KEPT: Final = 50
"""How many records that have not reached an instance are read with it."""

ANSWERED: Final = {Progress.DONE, Progress.REFUSED}


class Reader(NamedTuple):
    """A store at one moment, and the catalog."""

    queries: Queries
    routes: Routes


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedView:
    """The record that an instance is parked behind, and how many records wait behind it."""

    behind: Place
    cause: str
    since: datetime
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSummary:
    """An instance in a list. Without its definition in the catalog it is not known what it waits for."""

    number: int
    id: str
    saga: str
    version: int
    key: str
    status: Status
    paused_at: datetime | None
    stall: Cause | None
    started_at: datetime
    ended_at: datetime | None
    age_s: timedelta
    next_timer_at: datetime | None
    waits_for: tuple[CommandView, ...]
    waits_until: tuple[WaitView, ...]
    attention: tuple[str, ...]
    parked: ParkedView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePage:
    """A page of a list. `next` is the number to continue before, None on the last page."""

    instances: tuple[InstanceSummary, ...]
    next: int | None
    dead_letters: int
    unpublished_messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """A step, receive or delay of the definition, and how far it has come. Only a step has the two directions."""

    name: str
    kind: Literal["step", "receive", "delay"]
    pivot: bool
    compensatable: bool
    forward: CommandView | None = None
    compensation: CommandView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDetail:
    """An instance whole. `why` is its explanation, which consists of the `sentences`.

    `records` have its key, or are for it, and have not reached it.
    """

    id: str
    saga: str
    version: int
    key: str
    status: Status
    why: str
    sentences: tuple[str, ...]
    attention: tuple[str, ...]
    parked: ParkedView | None
    started_at: datetime
    ended_at: datetime | None
    deadline_at: datetime | None
    paused_at: datetime | None
    next_timer_at: datetime | None
    cause: Cause | None
    stall: Cause | None
    choices: Mapping[str, bool]
    attempts: Mapping[str, Attempt]
    trace_id: str
    revision: int
    home: int
    data: Any
    steps: tuple[StepView, ...]
    waits: Mapping[str, WaitView]
    history: tuple[TimelineEntry, ...]
    records: tuple[RecordSummary, ...]


def list_instances(
    reader: Reader,
    limit: int,
    now: datetime,
    *,
    saga: str | None = None,
    status: str | None = None,
    before: int | None = None,
    needs_attention: bool = False,
) -> InstancePage:
    """Return a page of instances, the one that was started last first; `before` is the `next` of the page before."""
    attention = NeedsAttention(now - TIMER_LATE, SENT_OFTEN, now - CONTRADICTION_SHOWN) if needs_attention else None
    which = InstanceFilter(saga=saga, status=status, before=before, attention=attention)
    rows = reader.queries.instances(which, limit + 1)
    page = rows[:limit]
    parked = reader.queries.parked([row.id for row in page])
    backlog = reader.queries.backlog()
    return InstancePage(
        instances=tuple(_summary(row, load(reader, row), parked.get(row.id), now) for row in page),
        next=page[-1].number if len(rows) > limit else None,
        dead_letters=backlog.dead_letters,
        unpublished_messages=backlog.unpublished,
    )


def all_instances(
    reader: Reader, *, saga: str | None = None, version: int | None = None, status: str | None = None
) -> Iterator[InstanceRow]:
    """Yield all instances, the one that was started last first, a page at a time."""
    which = InstanceFilter(saga=saga, version=version, status=status)
    while page := reader.queries.instances(which, PAGE):
        yield from page
        which = replace(which, before=page[-1].number)


def find(reader: Reader, wanted: str, saga: str | None) -> InstanceRow:
    """Return the instance of an id or a business key. Raises `LookupError` if there is none, or more than one."""
    rows = matching(reader, wanted, saga)
    if not rows:
        raise LookupError(no_instance(reader, wanted, saga))
    return only(rows, wanted)


def matching(reader: Reader, wanted: str, saga: str | None) -> Sequence[InstanceRow]:
    """Return the instances of an id or a business key: one of each saga at most."""
    ids = {instance_id(name, wanted) for name in _sagas(reader, saga)} | ({wanted.lower()} if _is_id(wanted) else set())
    return [row for row in reader.queries.instances(InstanceFilter(ids=ids), len(ids)) if saga in {None, row.saga}]


def only(rows: Sequence[InstanceRow], wanted: str) -> InstanceRow:
    """Return the only instance. Raises `LookupError` if there are several."""
    if len(rows) > 1:
        names = " or ".join(f"--saga {row.saga}" for row in rows)
        raise LookupError(f"{wanted!r} is the key of {len(rows)} instances: say which by {names}")
    return rows[0]


def no_instance(reader: Reader, wanted: str, saga: str | None) -> str:
    """Return where an instance was looked for."""
    nowhere = f"no instance of {', '.join(_sagas(reader, saga))} has the id or the key {wanted!r}"
    if reader.queries.records(records_of(reader.routes, wanted), 1):
        return f"{nowhere}, but records have: `saga why {shlex.quote(wanted)}` explains them"
    return f"{nowhere}, and no stored record has: `saga ls` lists instances"


def _sagas(reader: Reader, saga: str | None) -> Sequence[str]:
    return [saga] if saga else sorted(reader.routes.newest)


def definition(reader: Reader, row: InstanceRow) -> AnySaga:
    """Return the definition of an instance. Raises `LookupError` if the catalog lacks it."""
    saga = reader.routes.sagas.get((row.saga, row.version))
    if saga is None:
        raise LookupError(
            f"the catalog has no saga {row.saga} version {row.version}: add it again to see its instance {row.id}"
        )
    return saga


def load(reader: Reader, row: InstanceRow) -> Instance[Any] | None:
    """Return an instance, None if the catalog lacks its definition."""
    saga = reader.routes.sagas.get((row.saga, row.version))
    return None if saga is None else row.instance(saga)


def show_instance(reader: Reader, row: InstanceRow, history: int, now: datetime) -> InstanceDetail:
    """Return an instance with at most so many entries of its history, the newest ones."""
    saga = definition(reader, row)
    instance = row.instance(saga)
    parked = reader.queries.parked([row.id]).get(row.id)
    past = timeline(reader.queries.history(row, history))
    kept = reader.queries.records(_kept_for(row, instance), MAX_KEPT)
    case = Case(
        saga=saga,
        instance=instance,
        history=past.entries,
        now=now,
        outcome_topic=reader.routes.names.outcomes(saga.name),
        is_outcome_unpublished=reader.queries.is_unpublished(outcome_id(row.id)),
        parked=parked,
        kept=kept,
    )
    sentences = why(case)
    return view(
        InstanceDetail,
        instance,
        why=" ".join(sentences),
        sentences=sentences,
        attention=_attention(row, instance, parked, now),
        parked=_parked(parked),
        trace_id=row.trace.root.trace_id,
        revision=row.revision,
        home=row.home,
        data=json.loads(row.snapshot.data),
        steps=tuple(_steps(saga, instance, past.times)),
        waits={name: wait_view(name, wait) for name, wait in instance.waits.items()},
        history=past.entries,
        records=summaries(reader.queries, kept),
    )


def _kept_for(row: InstanceRow, instance: Instance[Any]) -> RecordFilter:
    """Return which records have the key of an instance, or are for it, and have not reached it."""
    addresses = [wait.address for wait in instance.waits.values() if wait.address]
    return RecordFilter(key=row.key.encode(), subjects=[row.id, *addresses])


def _summary(
    row: InstanceRow, instance: Instance[Any] | None, parked: ParkedBehind | None, now: datetime
) -> InstanceSummary:
    return view(
        InstanceSummary,
        row,
        status=Status(row.status),
        paused_at=instance.paused_at if instance else None,
        stall=instance.stall if instance else None,
        age_s=(row.ended_at or now) - row.started_at,
        waits_for=pending_commands(instance) if instance else (),
        waits_until=pending_waits(instance) if instance else (),
        attention=_attention(row, instance, parked, now) if instance else (_orphaned(row),),
        parked=_parked(parked),
    )


def _orphaned(row: InstanceRow) -> str:
    return f"version {row.version} is not in the catalog"


def _attention(
    row: InstanceRow, instance: Instance[Any], parked: ParkedBehind | None, now: datetime
) -> tuple[str, ...]:
    is_contradicted = row.contradicted_at is not None and row.contradicted_at >= now - CONTRADICTION_SHOWN
    return (
        *attention(instance, now),
        *([f"parked behind {parked.letter.record.place}"] if parked else ()),
        *([row.contradiction] if row.contradiction and is_contradicted else ()),
    )


def _parked(parked: ParkedBehind | None) -> ParkedView | None:
    if parked is None:
        return None
    letter = parked.letter
    return ParkedView(behind=letter.record.place, cause=letter.cause, since=letter.at, waiting=parked.waiting)


def _steps(saga: AnySaga, instance: Instance[Any], times: Mapping[StepDirection, StepTimes]) -> Iterator[StepView]:
    """Yield everything that can be reached. A `for_each` that was reached is yielded item by item."""
    for node in walk(saga.steps):
        match node:
            case Step():
                yield _step(node.name, node, instance, times)
            case ForEach():
                for name in instance.lists.get(node.name, [f"{node.name}[…]"]):
                    yield _step(name, node.step, instance, times)
            case Receive() | Delay():
                kind: Literal["receive", "delay"] = "receive" if isinstance(node, Receive) else "delay"
                yield StepView(name=node.name, kind=kind, pivot=False, compensatable=False)
            case _:
                pass


def _step(name: str, step: Step[Any], instance: Instance[Any], times: Mapping[StepDirection, StepTimes]) -> StepView:
    run = instance.steps.get(name)
    forward, compensation = (
        command_view(name, direction, state, times.get((name, direction)) if state.progress in ANSWERED else None)
        if run and (state := run.command_state(direction))
        else None
        for direction in Direction
    )
    return StepView(
        name=name,
        kind="step",
        pivot=step.is_pivot,
        compensatable=step.compensate is not None,
        forward=forward,
        compensation=compensation,
    )


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
