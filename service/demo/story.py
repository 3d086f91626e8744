"""The story of one order: the spans that were made of it, what participants did, and its history in the database."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from opentelemetry.sdk.trace import ReadableSpan

from saga_coordinator.handlers.records import Entry, TransitionRecord
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import Instance, Status
from saga_coordinator.service.demo import answering
from saga_coordinator.service.telemetry.conventions import INSTANCE_ID

_Score: TypeAlias = tuple[bool, bool, bool, int]


class HandledCommand(NamedTuple):
    """What a participant made of a command, and when: nanoseconds since 1970, by its own clock."""

    at: int
    hop: answering.Hop


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is known of one order. `placed_at` is in nanoseconds since 1970, by the shop's clock."""

    saga: AnySaga
    instance: Instance[Any]
    placed_at: int
    spans: Sequence[ReadableSpan]
    handled: Sequence[HandledCommand]
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class EndedInstance:
    """An instance that is over, and the spans that were made of it so far."""

    saga: AnySaga
    instance: Instance[Any]
    spans: list[ReadableSpan]


class Stories:
    """Keeps the spans of the instances that are not over, and of the most telling one that is."""

    def __init__(self) -> None:
        self.best: EndedInstance | None = None
        self._spans: defaultdict[str, list[ReadableSpan]] = defaultdict(list)
        self._over: set[str] = set()
        self._score: _Score | None = None

    def add(self, hops: Sequence[TransitionRecord], spans: Sequence[ReadableSpan]) -> None:
        """Take in what was committed together: its hops, and the spans made of them."""
        for span in spans:
            instance_id = str((span.attributes or {}).get(INSTANCE_ID, ""))
            if self.best is not None and instance_id == self.best.instance.id:
                self.best.spans.append(span)
            elif instance_id and instance_id not in self._over:
                self._spans[instance_id].append(span)
        for hop in hops:
            instance = hop.decision.instance
            if instance.status.is_final and instance.id not in self._over:
                self._over.add(instance.id)
                self._consider(EndedInstance(hop.saga, instance, self._spans.pop(instance.id, [])))

    def _consider(self, add: EndedInstance) -> None:
        score = _score(add.instance)
        if self._score is None or score > self._score:
            self.best, self._score = add, score


def _score(instance: Instance[Any]) -> _Score:
    """Rate an instance: best is one that was undone because a step refused, and that somebody let wait before."""
    runs = instance.steps.values()
    return (
        instance.status is Status.COMPENSATED,
        any(run.forward.sendings > run.forward.attempt for run in runs),
        instance.cause is not None and instance.cause.step is not None,
        sum(run.compensation is not None for run in runs),
    )
