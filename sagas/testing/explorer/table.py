"""What was found as a table: for each step and each fault, how often it hit and where the instance ends then."""

from collections import defaultdict
from dataclasses import dataclass

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.machine import Direction, EventReceived, ReplyReceived, Status
from saga_coordinator.sagas.testing.explorer.explore import Exploration
from saga_coordinator.sagas.testing.explorer.moves import Fault, Hit, Move


@dataclass(frozen=True, slots=True)
class TableCell:
    """`hits`: at so many moments it happens; the others: in how many distinct ways the instance ends after it.

    After it nothing more goes wrong; before it, as much may have as the depth allows.
    """

    step: str | None
    direction: Direction
    fault: Fault
    hits: int
    completed: int
    compensated: int
    stalled: int


def cells(found: Exploration) -> list[TableCell]:
    """Return a cell for everything that happened, in the order of the definition, what goes well first."""
    ends = _ends(found)
    after: dict[Hit, int] = defaultdict(int)
    count: dict[Hit, int] = defaultdict(int)
    for _, move, to in found.edges:
        for hit in move.hits or _success(move):
            after[hit] |= ends[to]
            count[hit] += 1
    masks = {status: _mask(found, status) for status in (Status.COMPLETED, Status.COMPENSATED, Status.STALLED)}
    order = {name: place for place, name in enumerate(found.leaves)}
    faults = list(Fault)
    hits = sorted(after, key=lambda hit: (_place(order, hit), hit.step or "", faults.index(hit.fault)))
    return [
        TableCell(
            hit.step,
            hit.direction,
            hit.fault,
            count[hit],
            *((after[hit] & mask).bit_count() for mask in masks.values()),
        )
        for hit in hits
    ]


def _place(order: dict[str, int], hit: Hit) -> tuple[bool, bool, int]:
    """Put the steps first, then their undos, then the whole."""
    leaf = (hit.step or "").partition("[")[0]
    return hit.step is None, hit.direction is Direction.COMPENSATION, order.get(leaf, 0)


def _success(move: Move) -> tuple[Hit, ...]:
    good = isinstance(move.signal, ReplyReceived) and not isinstance(move.signal.reply, Failure)
    if move.step is not None and (good or isinstance(move.signal, EventReceived)):
        return (Hit(move.step, move.direction, Fault.NONE),)
    return ()


def _ends(found: Exploration) -> list[int]:
    """Return for each world which ends it may come to if nothing more goes wrong, as bits."""
    entered = {
        to
        for at, _, to in found.edges
        if found.worlds[at].ledger.instance.is_active and not found.worlds[to].ledger.instance.is_active
    }
    ends = [1 << number if number in entered else 0 for number in range(len(found.worlds))]
    changed = True
    while changed:
        changed = False
        for at, move, to in reversed(found.edges):
            if not move.hits and found.worlds[at].ledger.instance.is_active and ends[at] | ends[to] != ends[at]:
                ends[at] |= ends[to]
                changed = True
    return ends


def _mask(found: Exploration, status: Status) -> int:
    return sum(1 << number for number, world in enumerate(found.worlds) if world.ledger.instance.status is status)
