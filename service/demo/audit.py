"""Whether anything was lost or done twice: the ledgers of the participants against the outcomes that the shop got."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple, TypeAlias

from saga_coordinator.contracts.messages.reviews import ReviewFraud
from saga_coordinator.service.demo.conversation import COMMANDS, CONFIRMED, REJECTED
from saga_coordinator.service.demo.journal import ReceivedOutcome
from saga_coordinator.service.demo.ledger import EffectLedger

_REVIEW: Final = ReviewFraud.message_type
_STEPS: Final = tuple(kind.type for kind in COMMANDS.values() if kind.compensates is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was found; each finding is a sentence."""

    orders: int
    completed: int  # the outcome is confirmed
    compensated: int  # the outcome is rejected
    lost: tuple[str, ...]  # orders without an outcome, and outcomes of orders that nobody placed
    done_twice: tuple[str, ...]  # two standing effects of one step for one order, or two outcomes
    not_compensated: tuple[str, ...]  # rejected orders of which something is still done
    not_done: tuple[str, ...]  # confirmed orders of which something is missing or was compensated
    protocol_errors: tuple[str, ...]  # one id with two contents, commands that are not as published
    repeats: int  # commands that were delivered again and absorbed; no fault
    outcome_copies: int  # outcome events that came again under the same id; no fault

    @property
    def violations(self) -> tuple[str, ...]:
        """Return all findings, worst first."""
        return (*self.lost, *self.done_twice, *self.not_compensated, *self.not_done, *self.protocol_errors)

    @property
    def ok(self) -> bool:
        """Return whether nothing was found."""
        return not self.violations


def audit(
    ledgers: Mapping[str, EffectLedger], outcomes: Iterable[ReceivedOutcome], placed: Mapping[str, bool]
) -> AuditReport:
    """Compare ledgers and outcomes, after everything has come to rest.

    Args:
        ledgers: By participant.
        outcomes: Every outcome event that was received, copies too.
        placed: The ids of all orders that were placed, each with whether it is large enough for a fraud review.
    """
    received = list(outcomes)
    by_order = _by_order(received)
    verdicts = {order: next(iter(by_id.values())).type for order, by_id in by_order.items()}
    effects = _effects(ledgers)
    noted = (f"{each.participant}: {what}" for each in ledgers.values() for what in each.violations)
    return AuditReport(
        orders=len(placed),
        completed=sum(verdict == CONFIRMED for verdict in verdicts.values()),
        compensated=sum(verdict == REJECTED for verdict in verdicts.values()),
        lost=tuple(_lost(placed, by_order)),
        done_twice=(*_done_twice(effects), *_two_outcomes(by_order)),
        not_compensated=tuple(_not_compensated(verdicts, effects)),
        not_done=tuple(_not_done(verdicts, effects, placed)),
        protocol_errors=(*noted, *_two_contents(received)),
        repeats=sum(each.repeats for each in ledgers.values()),
        outcome_copies=len(received) - sum(len(by_id) for by_id in by_order.values()),
    )


class _Effect(NamedTuple):
    """How often a step was done for an order, and how often compensated."""

    done: int = 0
    compensated: int = 0

    @property
    def net(self) -> int:
        return self.done - self.compensated


_Effects: TypeAlias = Mapping[str, Mapping[str, _Effect]]
"""Order id to step type to its effect."""


def _effects(ledgers: Mapping[str, EffectLedger]) -> _Effects:
    effects: defaultdict[str, defaultdict[str, _Effect]] = defaultdict(lambda: defaultdict(_Effect))
    for ledger in ledgers.values():
        for entry in ledger.entries:
            steps, step = effects[entry.order_id], COMMANDS[entry.type].compensates or entry.type
            done, compensated = steps[step]
            steps[step] = _Effect(done + (entry.net > 0), compensated + (entry.net < 0))
    return effects


def _by_order(outcomes: Iterable[ReceivedOutcome]) -> dict[str, dict[str, ReceivedOutcome]]:
    """Return order id to message id to outcome."""
    by_order: dict[str, dict[str, ReceivedOutcome]] = defaultdict(dict)
    for each in outcomes:
        by_order[each.order_id].setdefault(each.message_id, each)
    return by_order


def _lost(placed: Mapping[str, bool], by_order: Mapping[str, object]) -> Iterator[str]:
    yield from (f"order {order} was placed and has no outcome" for order in placed if order not in by_order)
    yield from (f"order {order} has an outcome and was never placed" for order in by_order if order not in placed)


def _done_twice(effects: _Effects) -> Iterator[str]:
    for order, steps in effects.items():
        for step, effect in steps.items():
            if effect.net > 1:
                yield f"{step} stands {effect.net} times for order {order}"


def _two_outcomes(by_order: Mapping[str, Mapping[str, ReceivedOutcome]]) -> Iterator[str]:
    for order, by_id in by_order.items():
        if len(by_id) > 1:
            named = ", ".join(f"{each.type} {each.message_id}" for each in by_id.values())
            yield f"order {order} has {len(by_id)} outcomes: {named}"


def _two_contents(outcomes: Iterable[ReceivedOutcome]) -> Iterator[str]:
    first: dict[str, ReceivedOutcome] = {}
    for each in outcomes:
        if first.setdefault(each.message_id, each) != each:
            yield f"the outcome {each.message_id} of order {each.order_id} came with two contents"


def _not_compensated(verdicts: Mapping[str, str], effects: _Effects) -> Iterator[str]:
    """Find standing effects of rejected orders; a review changes nothing and has no compensation."""
    for order, verdict in verdicts.items():
        for step, effect in effects.get(order, {}).items() if verdict == REJECTED else ():
            if step != _REVIEW and effect.net:
                yield f"order {order} was rejected, yet {step} still stands"


def _not_done(verdicts: Mapping[str, str], effects: _Effects, placed: Mapping[str, bool]) -> Iterator[str]:
    confirmed = [order for order, verdict in verdicts.items() if verdict == CONFIRMED]
    for order, step in product(confirmed, _STEPS):
        effect = effects.get(order, {}).get(step, _Effect())
        wanted = 0 if step == _REVIEW and not placed.get(order, False) else 1
        sentence = f"order {order} was confirmed, yet {step} was"
        if effect.net < wanted:
            yield f"{sentence} {'compensated' if effect.compensated else 'never done'}"
        elif effect.done and not wanted:
            yield f"{sentence} done without need"
        elif effect.compensated:
            yield f"{sentence} compensated in between"
