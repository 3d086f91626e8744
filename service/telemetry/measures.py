"""What is measured, as plain counters: a transaction adds to them, and the readers of `metrics.py` read them.

Labels are few and known beforehand: sagas, steps, topics, partitions, kinds of signals and verdicts. An instance is
never one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from saga_coordinator.handlers.records import Committed, TransitionRecord, Verdict
from saga_coordinator.sagas.machine import Direction, Status
from saga_coordinator.service.telemetry import transitions as hops
from saga_coordinator.service.telemetry.histogram import Durations, Labels


@dataclass(frozen=True, slots=True)
class Outbox:
    """How many messages are owed, and since how many seconds the oldest."""

    pending: int = 0
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class SetAside:
    """How many dead letters wait for somebody, and how many instances are parked behind one."""

    letters: int = 0
    parked: int = 0


class Measures:
    """Counters and gauges. `committed` counts what happened; the `set_` methods take what only the loops know."""

    def __init__(self) -> None:
        self.transitions: Counter[Labels] = Counter()
        self.verdicts: Counter[Labels] = Counter()
        self.compensations: Counter[Labels] = Counter()
        self.stalled: Counter[Labels] = Counter()
        self.dead_letters: Counter[Labels] = Counter()
        self.duration = Durations()
        self.step_duration = Durations()
        self.timer_lag = Durations()
        self.instances: dict[Labels, int] = {}
        self.lag: dict[Labels, int] = {}
        self.outbox = Outbox()
        self.set_aside = SetAside()

    def committed(self, turn: Committed) -> None:
        """Count one transaction."""
        for hop in turn.hops:
            entry = hop.entry
            self.transitions[hop.saga.name, entry.kind, entry.verdict] += 1
            if entry.verdict is Verdict.APPLIED:
                self._applied(hop)
        for ruling in turn.changes.verdicts:
            self.verdicts[ruling.place.topic, ruling.verdict] += 1
        for letter in turn.changes.dead_letters:
            self.dead_letters[(letter.record.place.topic,)] += 1

    def set_instances(self, counted: Iterable[tuple[str, str, int]]) -> None:
        """Take the numbers of live instances by saga and status, as the store counts them."""
        self.instances = {(saga, status): count for saga, status, count in counted}

    def set_outbox(self, pending: int, age: float) -> None:
        """Take how many messages are owed, and since how many seconds the oldest of them."""
        self.outbox = Outbox(pending, age)

    def set_dead_letters(self, letters: int, parked: int) -> None:
        """Take how many dead letters wait for somebody, and how many instances are parked behind one."""
        self.set_aside = SetAside(letters, parked)

    def set_lag(self, topic: str, partition: int, records: int) -> None:
        """Take how many records of a partition are not done yet."""
        self.lag[topic, str(partition)] = records

    def remove_lag(self, topic: str, partition: int) -> None:
        """Forget a partition that is somebody else's now."""
        self.lag.pop((topic, str(partition)), None)

    def _applied(self, hop: TransitionRecord) -> None:
        """Count what a signal has brought about."""
        kind, saga, after = hop.entry.kind, hop.saga.name, hop.decision.instance
        if kind == hops.ANSWER and (about := hops.about(hop)) is not None:
            self.step_duration.add((saga, about.step, about.direction), hop.entry.at - about.command_state.asked_at)
        elif kind == hops.WAKE and hop.before is not None and hop.before.next_timer_at is not None:
            self.timer_lag.add((), hop.entry.at - hop.before.next_timer_at)
        for send in hop.decision.commands:
            if send.direction is Direction.COMPENSATION:
                self._compensation(hop, send.step)
        status = hops.entered(hop)
        if status is Status.STALLED:
            self.stalled[saga, (after.stall and after.stall.step) or ""] += 1
        elif status is not None and status.is_final and after.ended_at is not None:
            self.duration.add((saga, status), after.ended_at - after.started_at)

    def _compensation(self, hop: TransitionRecord, step: str) -> None:
        """Count a step that begins to be undone; asking for it again is no other compensation."""
        command_state = hop.decision.instance.steps[step].compensation
        if command_state is not None and command_state.sendings == 1:
            self.compensations[hop.saga.name, step] += 1
