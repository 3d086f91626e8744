"""Sound sagas at random: groups, choices and pivots nested in each other, with all sorts of timeouts and retries."""

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st

from sagas.machine import PATIENT, Node, Retry, Saga, parallel
from tests.machine.made import Begun, Data, choice, compensatable, point_of_no_return, retriable, safe, saga

MOST_STEPS = 8
MOST_DEPTH = 3

timeouts = st.sampled_from([timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5)])
unlimited = st.sampled_from([None, Retry(attempts=None, first=timedelta(seconds=2), cap=timedelta(minutes=1))])
limited = st.sampled_from([Retry(attempts=3, factor=1.0, jitter=0.0), Retry(attempts=5), Retry(attempts=2)])
patience = st.sampled_from([PATIENT, Retry(attempts=1), Retry(attempts=2), Retry(attempts=None)])


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
            if self.steps >= MOST_STEPS:
                break
        return nodes, phases

    def node(self, phases: set[bool], depth: int, *, grouped: bool) -> tuple[Node[Data], set[bool]]:
        kinds = ["step", "step"]
        if depth < MOST_DEPTH and self.steps < MOST_STEPS - 1:
            kinds += ["group", "branch"]
        if not grouped and True not in phases:
            kinds.append("pivot")
        match self.draw(st.sampled_from(kinds)):
            case "group":
                members = [self.node(phases, depth + 1, grouped=True)[0] for _ in range(self.draw(st.integers(2, 3)))]
                return parallel(*members), phases
            case "branch":
                self.branches += 1
                number = self.branches
                nodes, after = self.sequence(phases, depth + 1, grouped=grouped)
                otherwise, after_too = self.otherwise(phases, depth + 1, grouped=grouped)
                return choice(f"choice-{number}", number, *nodes, otherwise=tuple(otherwise)), after | after_too
            case "pivot":
                retry = self.draw(st.one_of(limited, st.none()))
                return point_of_no_return(self.name("pivot"), timeout=self.draw(timeouts), retry=retry), {True}
            case _:
                return self.step(phases), phases

    def otherwise(self, phases: set[bool], depth: int, *, grouped: bool) -> tuple[list[Node[Data]], set[bool]]:
        return self.sequence(phases, depth, grouped=grouped) if self.draw(st.booleans()) else ([], phases)

    def step(self, phases: set[bool]) -> Node[Data]:
        name, timeout = self.name("step"), self.draw(timeouts)
        retry = self.draw(unlimited if True in phases else st.one_of(limited, unlimited))
        if False not in phases:
            return retriable(name, timeout=timeout, retry=retry)
        if self.draw(st.integers(0, 3)) == 0:
            return safe(name, timeout=timeout, retry=retry)
        return compensatable(name, timeout=timeout, retry=retry, compensate_retry=self.draw(patience))

    def name(self, kind: str) -> str:
        self.steps += 1
        return f"{kind}-{self.steps}"


@st.composite
def sound_sagas(draw: st.DrawFn) -> Saga[Begun, Data]:
    """A saga that the linter accepts, of two to about a dozen steps."""
    nodes, _ = _Author(draw).sequence({False}, 0, least=2)
    return saga(*nodes, deadline=draw(st.sampled_from([None, timedelta(minutes=5), timedelta(minutes=8)])))
