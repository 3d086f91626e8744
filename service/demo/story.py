"""The story of one order: the spans that were made of it, what participants did, and its history in the database."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from saga_coordinator.handlers.records import Entry, TransitionRecord
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import Instance, Status
from saga_coordinator.service.demo.command_handler import HandledCommand
from saga_coordinator.service.telemetry.conventions import INSTANCE_ID
from saga_coordinator.service.telemetry.spans import Span

_Score: TypeAlias = tuple[bool, bool, bool, int]


@dataclass(frozen=True, slots=True)
class OrderStory:
    """An instance that has ended, and its spans so far; at the end of the demo, also all else about its order.

    `placed_at` is in nanoseconds since 1970, by the shop's clock.
    """

    saga: AnySaga
    instance: Instance[Any]
    spans: list[Span]
    placed_at: int = 0
    handled: Sequence[HandledCommand] = field(default_factory=tuple)
    entries: Sequence[Entry] = field(default_factory=tuple)


class Stories:
    """Collects the spans of instances that still run, and of the most instructive one that has ended."""

    def __init__(self) -> None:
        self.best: OrderStory | None = None
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        self._ended: set[str] = set()

    def add(self, transitions: Sequence[TransitionRecord], spans: Sequence[Span]) -> None:
        """Add what was committed together: transitions, and the spans made of them."""
        for span in spans:
            instance_id = str(span.attributes.get(INSTANCE_ID, ""))
            if self.best is not None and instance_id == self.best.instance.id:
                self.best.spans.append(span)
            elif instance_id and instance_id not in self._ended:
                self._spans[instance_id].append(span)
        for each in transitions:
            instance = each.decision.instance
            if instance.status.is_final and instance.id not in self._ended:
                self._ended.add(instance.id)
                ended = OrderStory(each.saga, instance, self._spans.pop(instance.id, []))
                self.best = ended if self.best is None else max(self.best, ended, key=_score)


def _score(story: OrderStory) -> _Score:
    """Rate a story: best is one that was compensated because a step refused, after another one had to be sent again."""
    instance = story.instance
    runs = instance.steps.values()
    return (
        instance.status is Status.COMPENSATED,
        any(run.forward.sendings > run.forward.attempt for run in runs),
        instance.cause is not None and instance.cause.step is not None,
        sum(run.compensation is not None for run in runs),
    )


def brief(message_type: str | None) -> str:
    """Return the name in a message type: `stock-reserved` of `inventory.stock-reserved.v1`."""
    return (message_type or "a message").removesuffix(".v1").split(".")[-1]
