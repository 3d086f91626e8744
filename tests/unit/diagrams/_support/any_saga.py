"""Sound sagas at random, of all kinds of nodes, nested, with names of all lengths; and instances on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from saga_coordinator.contracts import Command, Event
from saga_coordinator.sagas import Retry, Saga, alternatives, branch, delay, for_each, parallel, receive, series
from saga_coordinator.sagas.language.nodes import Node
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    TIME,
    Begun,
    Data,
    Did,
    command,
    compensatable,
    point_of_no_return,
    retriable,
    safe,
    saga,
)

MAX_LEAVES = 14
MAX_DEPTH = 3
ODD = ["", "-with-a-name-that-goes-on-and-on", "-mit-umlaut", "-" + "w" * 60]


class Happened(Event):
    message_type = "made.happened.v1"
    topic = "made.events.v1"

    key: str


def happened_key(event: Happened) -> str:
    return event.key


def words(data: Data) -> tuple[str, ...]:
    return tuple(f"item-{number}" for number in range(data.coins % 5))


def itself(word: str) -> str:
    return word


def some_time(_: Data) -> datetime:
    return TIME + timedelta(days=2)


def each(name: str, *, can_be_undone: bool, limit: int | None = None) -> Node[Data]:
    """A command for each word."""
    undo = makes_for(command(name, undo=True)) if can_be_undone else None
    return for_each(name, words, makes_for(command(name)), key=itself, compensate=undo, limit=limit)


def makes_for(made: type[Command[Any]]) -> Callable[[Data, str], Command[Any]]:
    def make(data: Data, word: str) -> Command[Any]:
        return made.model_validate({"key": data.key, "seen": (word,)})

    make.__name__ = made.message_type
    make.__annotations__ = {"data": Data, "word": str, "return": made}
    return make


@dataclass(slots=True)
class _Author:
    """Writes a saga, in which only the outermost sequence has a pivot, or a branch of it."""

    draw: st.DrawFn
    leaves: int = 0
    choices: int = 0

    def sequence(self, depth: int, *, after: bool, least: int = 1) -> list[Node[Data]]:
        return [self.node(depth, after=after) for _ in range(self.draw(st.integers(least, 3)))]

    def node(self, depth: int, *, after: bool) -> Node[Data]:
        kinds = ["step", "step", "safe", "each", "receive", "delay"]
        if depth < MAX_DEPTH and self.leaves < MAX_LEAVES:
            kinds += ["parallel", "branch", "series", *([] if after else ["alternatives"])]
        kind = self.draw(st.sampled_from(kinds))
        if kind in {"parallel", "branch", "series", "alternatives"}:
            return self.group(kind, depth + 1, after=after)
        return self.leaf(kind, after=after)

    def group(self, kind: str, depth: int, *, after: bool) -> Node[Data]:
        if kind == "branch":
            otherwise = tuple(self.sequence(depth, after=after)) if self.draw(st.booleans()) else ()
            return self.branch(self.sequence(depth, after=after), otherwise)
        members = [self.node(depth, after=after) for _ in range(self.draw(st.integers(2, 3)))]
        if kind == "alternatives":
            self.choices += 1
            tried = [series(compensatable(self.name("tried")), member) for member in members]
            return alternatives(*tried, name=f"alternatives-{self.choices}")
        return parallel(*members) if kind == "parallel" else series(*members)

    def branch(self, nodes: Sequence[Node[Data]], otherwise: tuple[Node[Data], ...]) -> Node[Data]:
        self.choices += 1
        number = self.choices

        def predicate(data: Data) -> bool:
            return data.coins >> number & 1 == 1

        suffix = self.draw(st.sampled_from(ODD)).replace("-", "_")
        return branch(predicate, *nodes, otherwise=otherwise, name=f"choice_{number}{suffix}")

    def leaf(self, kind: str, *, after: bool) -> Node[Data]:
        name = self.name(kind)
        match kind:
            case "each":
                limit = self.draw(st.sampled_from([None, 1, 3]))
                return each(name, can_be_undone=not after, limit=limit)
            case "receive":
                return receive(name, Happened, key=happened_key)
            case "delay":
                return delay(name, until=some_time) if self.draw(st.booleans()) else delay(name, timedelta(hours=1))
            case "safe":
                return safe(name, retry=Retry(attempts=None) if after else None)
            case _:
                return retriable(name) if after else compensatable(name)

    def name(self, kind: str) -> str:
        self.leaves += 1
        return f"{kind}-{self.leaves}{self.draw(st.sampled_from(ODD))}"


@st.composite
def any_sagas(draw: st.DrawFn) -> Saga[Begun, Data]:
    """A saga that the linter accepts, of whatever can stand in one."""
    author = _Author(draw)
    nodes = author.sequence(0, after=False)
    match draw(st.sampled_from(["no pivot", "pivot", "pivot in a branch"])):
        case "pivot":
            nodes += [point_of_no_return(author.name("pivot")), *author.sequence(0, after=True, least=0)]
        case "pivot in a branch":
            inside = [*author.sequence(1, after=False, least=0), point_of_no_return(author.name("pivot"))]
            nodes.append(author.branch(inside, tuple(author.sequence(1, after=False, least=0))))
        case _:
            pass
    return saga(*nodes)


@st.composite
def any_stories(draw: st.DrawFn) -> Scenario[Data]:
    """A saga, and an instance on it to which this and that has happened."""
    story = given(draw(any_sagas()), Begun(coins=draw(st.integers(0, 255))))
    for _ in range(draw(st.integers(0, 12))):
        if story.status not in {Status.RUNNING, Status.COMPENSATING}:
            break
        story = _goes_on(draw, story)
    return story


def _goes_on(draw: st.DrawFn, story: Scenario[Data]) -> Scenario[Data]:
    what = draw(st.sampled_from(["answer", "answer", "answer", "answer", "happens", "fails", "time", "pause"]))
    name = draw(st.sampled_from([*story.instance.steps, ""]))
    if what == "pause":
        return story.resumes() if story.instance.paused_at else story.pauses()
    if what == "happens" and story.saga.plan.receives:
        story = story.happens(Happened(key="k-1"))
        return story if story.ignored is None else story.ignores(story.ignored)
    if what == "time" or not name:
        return story.passes(draw(st.sampled_from([timedelta(minutes=2), timedelta(hours=3), timedelta(days=3)])))
    undo = story.instance.steps[name].compensation is not None
    if what == "fails":
        reason = draw(st.text(max_size=30))
        return (story.undo_fails if undo else story.fails)(name, code="no", message=reason)
    return story.undone(name) if undo else story.replies(name, Did())
