"""The measures as plain counters, gauges and histograms: transactions add to them, and `metrics.py` exports them.

Labels have few values: sagas, steps, topics, partitions, kinds of signals and verdicts. An instance is never one.
A histogram of ours costs a fortieth of the SDK's, whose `record` takes 5 us.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final, get_args

from saga_coordinator.handlers.history import kind_of
from saga_coordinator.handlers.records import Committed, TransitionRecord, Verdict
from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import Direction, Signal, Status
from saga_coordinator.service.counts import Counts
from saga_coordinator.service.telemetry import transitions

BOUNDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0, 21_600.0,
    86_400.0, 604_800.0,
)  # fmt: skip
"""Upper bounds in seconds: a step may take milliseconds, a saga days."""

KINDS: Final = tuple(kind_of(each) for each in get_args(Signal))

Labels = tuple[str, ...]


@dataclass(slots=True)
class Buckets:
    """How many durations fell between the bounds, their sum, minimum and maximum, in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0
    minimum: float = float("inf")
    maximum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.minimum = min(self.minimum, seconds)
        self.maximum = max(self.maximum, seconds)


class Durations:
    """Durations by labels. Written by one thread; another may read meanwhile. A negative duration counts as 0."""

    def __init__(self) -> None:
        self._buckets: dict[Labels, Buckets] = {}

    def add(self, labels: Labels, duration: timedelta) -> None:
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = Buckets()
        buckets.add(max(0.0, duration.total_seconds()))

    def expect(self, labels: Labels) -> None:
        """Begin at 0."""
        self._buckets.setdefault(labels, Buckets())

    def read(self) -> Iterator[tuple[Labels, Buckets]]:
        """Yield a copy of the buckets of each combination of labels."""
        for labels, buckets in self._buckets.copy().items():
            yield labels, Buckets(buckets.counts.copy(), buckets.total, buckets.minimum, buckets.maximum)


@dataclass(frozen=True, slots=True)
class Outbox:
    """How many messages are unpublished, and how old the oldest is, in seconds."""

    pending: int = 0
    age: float = 0.0


class Measures:
    """Counters and gauges. Transactions are counted as they commit; the `set_` methods are called at intervals."""

    def __init__(self) -> None:
        self.transitions: Counter[Labels] = Counter()
        self.verdicts: Counter[Labels] = Counter()
        self.compensations: Counter[Labels] = Counter()
        self.stalled: Counter[Labels] = Counter()
        self.dead_letters: Counter[Labels] = Counter()
        self.duration = Durations()
        self.step_duration = Durations()
        self.timer_lag = Durations()
        self.timers_from = datetime.min.replace(tzinfo=UTC)
        """When timers began to fire: what became due in a downtime says nothing of the lag."""
        self.lag: dict[Labels, int] = {}
        self.stopped_partitions = 0
        self.outbox = Outbox()
        self.checks: dict[Labels, int] = {}
        self.counts = Counts()
        self.unanswered_age: dict[Labels, float] = {}
        self._live: dict[Labels, int] = {}

    def expect(self, routes: Routes) -> None:
        """Begin every counter at 0 that a catalog can count: the first increase of one that begins at 1 is not seen."""
        for saga in routes.sagas.values():
            self._expect_saga(saga)
        for topic in routes.topics_in:
            self.dead_letters[(topic,)] += 0
            for verdict in (Verdict.UNMATCHED, Verdict.IGNORED):
                self.verdicts[topic, verdict] += 0

    def on_commit(self, committed: Committed) -> None:
        for transition in committed.transitions:
            entry = transition.entry
            self.transitions[transition.saga.name, entry.kind, entry.verdict] += 1
            if entry.verdict is Verdict.APPLIED:
                self._applied(transition)
        for each in (*committed.changes.verdicts, *committed.changes.unwanted):
            self.verdicts[each.place.topic, each.verdict] += 1
        for letter in committed.changes.dead_letters:
            self.dead_letters[(letter.record.place.topic,)] += 1

    def set_counts(self, counts: Counts, now: datetime) -> None:
        """Set what was counted in the database."""
        self.counts = counts
        ages = {(each.saga, each.step, each.direction): now - each.since for each in counts.unanswered}
        self.unanswered_age = {labels: max(0.0, age.total_seconds()) for labels, age in ages.items()}

    @property
    def instances(self) -> Mapping[Labels, int]:
        """The numbers of live instances by saga and status."""
        return self._live | {(saga, status): number for saga, status, number in self.counts.instances}

    def set_checks(self, checks: Iterable[tuple[str, bool]]) -> None:
        """Set which of readiness' checks pass."""
        self.checks = {(name,): int(is_ok) for name, is_ok in checks}

    def set_outbox(self, pending: int, age: float) -> None:
        """Set how many messages are unpublished, and how old the oldest is, in seconds."""
        self.outbox = Outbox(pending, age)

    def set_lag(self, lag: Mapping[tuple[str, int], int]) -> None:
        """Set how many records of each owned partition are not processed yet."""
        self.lag = {(topic, str(partition)): records for (topic, partition), records in lag.items()}

    def _expect_saga(self, saga: AnySaga) -> None:
        name = saga.name
        for kind, verdict in product(KINDS, (Verdict.APPLIED, Verdict.DUPLICATE, Verdict.IGNORED)):
            self.transitions[name, kind, verdict] += 0
        self.transitions[name, transitions.ANSWER, Verdict.CONTRADICTORY] += 0
        for status in Status:
            if status.is_final:
                self.duration.expect((name, status))
            else:
                self._live[name, status] = 0
        for step, each in saga.plan.steps.items():
            self.step_duration.expect((name, step, Direction.FORWARD))
            if each.step.compensate is not None:
                self.step_duration.expect((name, step, Direction.COMPENSATION))
                self.compensations[name, step] += 0
        for step in ("", *saga.plan.steps, *(receive.name for receive in saga.plan.receives)):
            self.stalled[name, step] += 0

    def _applied(self, transition: TransitionRecord) -> None:
        kind, saga, after = transition.entry.kind, transition.saga.name, transition.decision.instance
        if kind == transitions.ANSWER and (about := transitions.about(transition)) is not None:
            duration = transition.entry.at - about.state.asked_at
            self.step_duration.add((saga, leaf(about.step), about.direction), duration)
        elif kind == transitions.WAKE and transition.before is not None:
            self._fired(transition.before.next_timer_at, transition.entry.at)
        for send in transition.decision.commands:
            if send.direction is Direction.COMPENSATION:
                self._compensation(transition, send.step)
        status = transitions.entered(transition)
        if status is Status.STALLED:
            self.stalled[saga, leaf((after.stall and after.stall.step) or "")] += 1
        elif status is not None and status.is_final and after.ended_at is not None:
            self.duration.add((saga, status), after.ended_at - after.started_at)

    def _compensation(self, transition: TransitionRecord, step: str) -> None:
        """Count a compensation when it is first sent."""
        state = transition.decision.instance.steps[step].compensation
        if state is not None and state.sendings == 1:
            self.compensations[transition.saga.name, leaf(step)] += 1

    def _fired(self, due_at: datetime | None, at: datetime) -> None:
        if due_at is not None and due_at >= self.timers_from:
            self.timer_lag.add((), at - due_at)
