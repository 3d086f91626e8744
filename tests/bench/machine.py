"""The machine alone: what one transition costs, without parsing, storage or Kafka.

Messages are parsed before the clock starts, which is the CPU time of this thread; garbage collection rests. Each kind
of signal of order fulfilment is given to many orders one after the other: the time of all, divided by their number.
Each signal of the long list is given to the same instance again and again, which a pure function does not mind. Of all
repeats the median counts: a machine that does something else now and then does not show.
"""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from statistics import median
from time import thread_time
from typing import Any, TypeAlias

from saga_coordinator.contracts import Done, Failure, Reply
from saga_coordinator.contracts.messages.inventory import StockReserved
from saga_coordinator.contracts.messages.orders import OrderPlaced
from saga_coordinator.contracts.messages.payments import CardCharged
from saga_coordinator.contracts.messages.shipping import OrderShipped
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Decision, Direction, Instance, ReplyReceived, Signal, Start, transition
from saga_coordinator.service.demo.orders import Mix, order_event
from tests.bench.many_items import ListMade, many_items

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
AT = datetime(2026, 1, 1, tzinfo=UTC)
SEED = 1
NO = Failure(code="no", message="not today", retryable=False)

Step: TypeAlias = tuple[str, str, Direction, Reply]
"""The kind of a signal, and which command it answers with what."""

FULFILLED: tuple[Step, ...] = (
    ("stock-reserved", "reserve-stock", FORWARD, StockReserved(reservation_id="r-1")),
    ("card-charged", "charge-card", FORWARD, CardCharged(charge_id="c-1")),
    ("order-shipped", "ship-order", FORWARD, OrderShipped(tracking="t-1")),
    ("customer-notified", "notify-customer", FORWARD, Done()),
)
REJECTED: tuple[Step, ...] = (
    *FULFILLED[:2],
    ("shipping-refused", "ship-order", FORWARD, NO),
    ("card-refunded", "charge-card", COMPENSATION, Done()),
    ("stock-released", "reserve-stock", COMPENSATION, Done()),
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    orders: int = 500
    items: int = 1_000
    repeats: int = 15


QUICK = Effort(orders=50, items=1_000, repeats=3)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of one transition, by the kind of its signal.

    `median` is that of the transitions of an order that is fulfilled. The list's two longest, which send a command for
    each item, are given by command: `start_per_command` and `compensate_per_command`.
    """

    order: dict[str, float]
    long_list: dict[str, float]
    items: int

    @property
    def median(self) -> float:
        """The median transition of order fulfilment."""
        return median(self.order[kind] for kind in ("order-placed", *(kind for kind, *_ in FULFILLED)))

    def as_json(self) -> dict[str, object]:
        """Return the costs as the benchmark's JSON has them."""
        return {
            "order_fulfilment": {"median": round(self.median, 2), **_rounded(self.order)},
            f"for_each_{self.items}": _rounded(self.long_list),
        }


def cost(effort: Effort) -> Cost:
    """Measure the machine."""
    events = [_order(number) for number in range(effort.orders)]
    times: dict[str, list[float]] = {}
    for _ in range(effort.repeats):
        for steps in (FULFILLED, REJECTED):
            for kind, took in _orders(events, steps):
                times.setdefault(kind, []).append(took)
    order = {kind: median(each) for kind, each in times.items()}
    return Cost(order, dict(_long_list(effort)), effort.items)


# --- many orders, each given one signal after the other


def _orders(events: Sequence[OrderPlaced], steps: Sequence[Step]) -> Iterator[tuple[str, float]]:
    """Lead all orders through a story, and yield what each kind of its signals took, in microseconds."""
    took, instances = _given([None] * len(events), [Start(AT, event) for event in events])
    yield "order-placed", took
    for kind, step, direction, reply in steps:
        signals = [_answer(instance, step, direction, reply) for instance in instances]
        took, instances = _given(instances, signals)
        yield kind, took


def _given(
    instances: Sequence[Instance[Any] | None], signals: Sequence[Signal]
) -> tuple[float, Sequence[Instance[Any]]]:
    """Give each instance its signal; return the mean time in microseconds, and the instances as they are then."""
    decisions: list[Decision[Any]] = []
    with _uncollected():
        began = thread_time()
        for instance, signal in zip(instances, signals, strict=True):
            decisions.append(transition(order_fulfilment, instance, signal))
        took = thread_time() - began
    return took * 1e6 / len(signals), [each.instance for each in decisions]


def _order(number: int) -> OrderPlaced:
    event = order_event(number, SEED, Mix(large=0.0), at="2026-01-01T00:00:00Z")
    return OrderPlaced.model_validate(json.loads(event.value))


# --- one long list, given one signal again and again


def _long_list(effort: Effort) -> Iterator[tuple[str, float]]:
    """Yield what a transition of a list takes, in microseconds, at several points of its way."""
    measured = partial(_again, effort.repeats)
    names = [f"item-{number}" for number in range(effort.items)]
    start = Start(AT, ListMade(key="list-1", items=tuple(names)))
    yield "start_per_command", measured(None, start) / effort.items
    instance = transition(many_items, None, start).instance
    moments = {0: "first", effort.items // 2: "middle", effort.items - 1: "last"}
    for direction, prefix in ((FORWARD, ""), (COMPENSATION, "undo_")):
        for number, name in enumerate(names):
            answer = _answer(instance, f"take-item[{name}]", direction, Done())
            if moment := moments.get(number):
                yield f"{prefix}{moment}_reply", measured(instance, answer)
            instance = transition(many_items, instance, answer).instance
        if direction is FORWARD:
            refusal = _answer(instance, "send-list", FORWARD, NO)
            yield "compensate_per_command", measured(instance, refusal) / effort.items
            instance = transition(many_items, instance, refusal).instance


def _again(repeats: int, instance: Instance[Any] | None, signal: Signal) -> float:
    return median(_timed(partial(transition, many_items, instance, signal)) for _ in range(repeats))


def _timed(work: Callable[[], object]) -> float:
    with _uncollected():
        began = thread_time()
        work()
        return (thread_time() - began) * 1e6


def _answer(instance: Instance[Any], step: str, direction: Direction, reply: Reply) -> ReplyReceived:
    command_state = instance.steps[step].command_state(direction)
    assert command_state is not None, f"the story has sent {step} ({direction})"
    return ReplyReceived(AT, command_state.command_id, reply)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let garbage collection rest."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _rounded(times: dict[str, float]) -> dict[str, float]:
    return {kind.replace("-", "_"): round(took, 2) for kind, took in times.items()}
