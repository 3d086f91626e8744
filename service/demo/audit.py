"""Was anything lost or done twice? Ledgers of participants held against the outcomes that the shop got."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from saga_coordinator.service.demo.conversation import COMMANDS, CONFIRMED, REJECTED
from saga_coordinator.service.demo.journal import Outcome
from saga_coordinator.service.demo.ledger import Ledger

_UNDONE_BY: Final = {kind.undoes for kind in COMMANDS.values() if kind.undoes is not None}
_REVIEW: Final = "reviews.review-fraud.v1"
_STEPS: Final = tuple(kind.type for kind in COMMANDS.values() if kind.undoes is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found; each finding is a sentence.

    Attributes:
        orders: How many orders were placed.
        completed: Orders with the outcome confirmed.
        compensated: Orders with the outcome rejected.
        lost: Orders without an outcome, and outcomes of orders that nobody placed.
        done_twice: More than one standing effect of one step for one order; more than one outcome for one order.
        not_undone: Rejected orders of which something is still done.
        not_done: Confirmed orders of which something is missing or was undone.
        objections: What a participant objected to: one id with two contents, commands that are not as published.
        repeats: Commands that were delivered again and absorbed. No fault.
        outcome_copies: Outcome events that came again under the same id. No fault.
    """

    orders: int
    completed: int
    compensated: int
    lost: tuple[str, ...]
    done_twice: tuple[str, ...]
    not_undone: tuple[str, ...]
    not_done: tuple[str, ...]
    protocol_errors: tuple[str, ...]
    repeats: int
    outcome_copies: int

    @property
    def violations(self) -> tuple[str, ...]:
        """Everything that must not be, worst first."""
        return (*self.lost, *self.done_twice, *self.not_undone, *self.not_done, *self.protocol_errors)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.violations


def audit(ledgers: Mapping[str, Ledger], outcomes: Iterable[Outcome], placed: Mapping[str, bool]) -> Audit:
    """Hold ledgers and outcomes against each other, once nothing moves any more.

    Args:
        ledgers: By participant.
        outcomes: Every outcome event that was received, copies too.
        placed: The ids of all orders that were placed, each with whether it is large enough for a fraud review.
    """
    received = list(outcomes)
    by_order = _by_order(received)
    verdicts = {order: next(iter(outcomes_by_id.values())).type for order, outcomes_by_id in by_order.items()}
    effects = _effects(ledgers)
    return Audit(
        orders=len(placed),
        completed=sum(verdict == CONFIRMED for verdict in verdicts.values()),
        compensated=sum(verdict == REJECTED for verdict in verdicts.values()),
        lost=tuple(_lost(placed, by_order)),
        done_twice=(*_done_twice(effects), *_two_outcomes(by_order)),
        not_undone=tuple(_not_undone(verdicts, effects)),
        not_done=tuple(_not_done(verdicts, effects, placed)),
        protocol_errors=(*(f"{each.participant}: {what}" for each in ledgers.values() for what in each.violations),
                    *_two_contents(received)),
        repeats=sum(each.repeats for each in ledgers.values()),
        outcome_copies=len(received) - sum(len(outcomes_by_id) for outcomes_by_id in by_order.values()),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Effect:
    done: int
    undone: int

    @property
    def net(self) -> int:
        return self.done - self.undone


_NOTHING: Final = _Effect(0, 0)


def _effects(ledgers: Mapping[str, Ledger]) -> dict[str, dict[str, _Effect]]:
    """Order id to step type to what was done and undone."""
    done: Counter[tuple[str, str]] = Counter()
    undone: Counter[tuple[str, str]] = Counter()
    for ledger in ledgers.values():
        for entry in ledger.entries:
            step = COMMANDS[entry.type].undoes or entry.type
            (done if entry.effect > 0 else undone)[entry.order_id, step] += abs(entry.effect)
    effects: dict[str, dict[str, _Effect]] = defaultdict(dict)
    for order, step in done.keys() | undone.keys():
        effects[order][step] = _Effect(done[order, step], undone[order, step])
    return effects


def _by_order(outcomes: Iterable[Outcome]) -> dict[str, dict[str, Outcome]]:
    """Order id to message id to outcome."""
    by_order: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for each in outcomes:
        by_order[each.order_id].setdefault(each.message_id, each)
    return by_order


def _lost(placed: Mapping[str, bool], by_order: Mapping[str, object]) -> Iterator[str]:
    yield from (f"order {order} was placed and has no outcome" for order in placed if order not in by_order)
    yield from (f"order {order} has an outcome and was never placed" for order in by_order if order not in placed)


def _done_twice(effects: Mapping[str, Mapping[str, _Effect]]) -> Iterator[str]:
    for order, steps in effects.items():
        for step, effect in steps.items():
            if effect.net > 1:
                yield f"{step} stands {effect.net} times for order {order}"


def _two_outcomes(by_order: Mapping[str, Mapping[str, Outcome]]) -> Iterator[str]:
    for order, outcomes_by_id in by_order.items():
        if len(outcomes_by_id) > 1:
            named = ", ".join(f"{each.type} {each.message_id}" for each in outcomes_by_id.values())
            yield f"order {order} has {len(outcomes_by_id)} outcomes: {named}"


def _two_contents(outcomes: Iterable[Outcome]) -> Iterator[str]:
    first: dict[str, Outcome] = {}
    for each in outcomes:
        if first.setdefault(each.message_id, each) != each:
            yield f"the outcome {each.message_id} of order {each.order_id} came with two contents"


def _not_undone(verdicts: Mapping[str, str], effects: Mapping[str, Mapping[str, _Effect]]) -> Iterator[str]:
    """A review changes nothing and has no undo; all the rest must net to zero."""
    for order, verdict in verdicts.items():
        if verdict != REJECTED:
            continue
        for step, effect in effects.get(order, {}).items():
            if step != _REVIEW and effect.net:
                yield f"order {order} was rejected, yet {step} still stands"


def _not_done(
    verdicts: Mapping[str, str], effects: Mapping[str, Mapping[str, _Effect]], placed: Mapping[str, bool]
) -> Iterator[str]:
    for order, verdict in verdicts.items():
        if verdict != CONFIRMED:
            continue
        for step in _STEPS:
            effect = effects.get(order, {}).get(step, _NOTHING)
            wanted = 0 if step == _REVIEW and not placed.get(order, False) else 1
            if effect.net < wanted:
                yield f"order {order} was confirmed, yet {step} was {'undone' if effect.undone else 'never done'}"
            elif effect.done and not wanted:
                yield f"order {order} was confirmed, yet {step} was done without need"
            elif effect.undone:
                yield f"order {order} was confirmed, yet {step} was undone in between"
