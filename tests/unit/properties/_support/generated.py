"""Sound sagas at random: every kind of node nested in each other, with all sorts of timeouts and retries."""

from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import strategies as st

from saga_coordinator.sagas import PATIENT, Retry, Saga, alternatives, delay, parallel, series
from saga_coordinator.sagas.language.nodes import Node
from tests.support.saga_kit import (
    Begun,
    Data,
    awaits,
    child,
    choice,
    compensatable,
    each,
    point_of_no_return,
    retriable,
    safe,
    saga,
)

MAX_STEPS = 8
MAX_DEPTH = 3

timeouts = st.sampled_from([timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5)])
unlimited = st.sampled_from([None, Retry(attempts=None, first=timedelta(seconds=2), cap=timedelta(minutes=1))])
limited = st.sampled_from(
    [
        Retry(attempts=3, factor=1.0, jitter=0.0),
        Retry(attempts=5),
        Retry(attempts=2),
        Retry(attempts=None, total=timedelta(minutes=2)),
    ]
)
patience = st.sampled_from([PATIENT, Retry(attempts=1), Retry(attempts=2), Retry(attempts=None)])
delays = st.sampled_from([timedelta(seconds=10), timedelta(seconds=30)])


@dataclass(slots=True)
class _Author:
    """Writes a saga. `phases` says whether a place may be before (False) or after (True) the pivot."""

    draw: st.DrawFn
    steps: int = 0
    branches: int = 0

    def sequence(
        self, phases: set[bool], depth: int, *, grouped: bool = False, least: int = 1
    ) -> tuple[list[Node[Data]], set[bool]]:
        nodes: list[Node[Data]] = []
        for _ in range(self.draw(st.integers(least, least + 2))):
            node, phases = self.node(phases, depth, grouped=grouped)
            nodes.append(node)
            if self.steps >= MAX_STEPS:
                break
        return nodes, phases

    def node(self, phases: set[bool], depth: int, *, grouped: bool) -> tuple[Node[Data], set[bool]]:
        match self.draw(st.sampled_from(self.kinds(phases, depth, grouped=grouped))):
            case "group":
                members = [self.node(phases, depth + 1, grouped=True)[0] for _ in range(self.draw(st.integers(2, 3)))]
                return parallel(*members), phases
            case "alternatives":
                return self.alternatives(phases, depth + 1), phases
            case "branch":
                return self.branch(phases, depth + 1, grouped=grouped)
            case "series":
                nodes, _ = self.sequence(phases, depth + 1, grouped=True, least=2)
                return series(*nodes) if len(nodes) > 1 else nodes[0], phases
            case "pivot":
                retry = self.draw(st.one_of(limited, st.none()))
                return point_of_no_return(self.name("pivot"), timeout=self.draw(timeouts), retry=retry), {True}
            case kind:
                return self.leaf(kind, phases), phases

    def leaf(self, kind: str, phases: set[bool]) -> Node[Data]:
        match kind:
            case "list":
                return self.list(phases)
            case "receive":
                by_bill = self.draw(st.booleans())
                return awaits(self.name("receive"), billed_to=by_bill, timeout=self.draw(timeouts))
            case "delay":
                return delay(self.name("delay"), self.draw(delays))
            case _:
                return self.step(phases)

    def kinds(self, phases: set[bool], depth: int, *, grouped: bool) -> list[str]:
        """What may stand here."""
        kinds = ["step", "step", "step", "list", "receive", "delay"]
        if depth < MAX_DEPTH and self.steps < MAX_STEPS - 1:
            kinds += ["group", "branch"]
            kinds += ["series"] if grouped else []
            kinds += ["alternatives", "alternatives"] if True not in phases else []
        if not grouped and True not in phases:
            kinds += ["pivot"] * 4
        return kinds

    def alternatives(self, phases: set[bool], depth: int) -> Node[Data]:
        """Two or three, of which only the last may be one that cannot fail."""
        number = self.branches = self.branches + 1
        firsts: list[Node[Data]] = []
        for _ in range(self.draw(st.integers(1, 2))):
            others = [self.node(phases, depth, grouped=True)[0] for _ in range(self.draw(st.integers(0, 2)))]
            nodes = (self.step(phases), *others)
            in_turn = self.draw(st.booleans())
            firsts.append(nodes[0] if not others else series(*nodes) if in_turn else parallel(*nodes))
        last, _ = self.node(phases, depth, grouped=True)
        return alternatives(*firsts, last, name=f"alternatives-{number}")

    def branch(self, phases: set[bool], depth: int, *, grouped: bool) -> tuple[Node[Data], set[bool]]:
        number = self.branches = self.branches + 1
        nodes, after = self.sequence(phases, depth, grouped=grouped)
        otherwise, after_too = self.otherwise(phases, depth, grouped=grouped)
        return choice(f"choice-{number}", number, *nodes, otherwise=tuple(otherwise)), after | after_too

    def otherwise(self, phases: set[bool], depth: int, *, grouped: bool) -> tuple[list[Node[Data]], set[bool]]:
        return self.sequence(phases, depth, grouped=grouped) if self.draw(st.booleans()) else ([], phases)

    def step(self, phases: set[bool]) -> Node[Data]:
        name, timeout = self.name("step"), self.draw(timeouts)
        retry = self.draw(unlimited if True in phases else st.one_of(limited, unlimited))
        if False not in phases:
            return retriable(name, timeout=timeout, retry=retry)
        match self.draw(st.integers(0, 5)):
            case 0:
                return safe(name, timeout=timeout, retry=retry)
            case 1:
                return child(name, timeout=timeout, retry=retry)
            case kind:
                step = compensatable(name, timeout=timeout, retry=retry, compensate_retry=self.draw(patience))
                return replace(step, undo_when_unknown=False) if kind == 2 else step

    def list(self, phases: set[bool]) -> Node[Data]:
        return each(
            self.name("list"),
            undone=False in phases,
            limit=self.draw(st.sampled_from([None, 1, 2])),
            timeout=self.draw(timeouts),
            retry=self.draw(unlimited if True in phases else st.one_of(limited, unlimited)),
            compensate_retry=self.draw(patience),
        )

    def name(self, kind: str) -> str:
        self.steps += 1
        return f"{kind}-{self.steps}"


@st.composite
def sound_sagas(draw: st.DrawFn) -> Saga[Begun, Data]:
    """A saga that the linter accepts, of two to about a dozen steps."""
    nodes, _ = _Author(draw).sequence({False}, 0, least=2)
    return saga(*nodes, deadline=draw(st.sampled_from([None, timedelta(minutes=5), timedelta(minutes=8)])))
