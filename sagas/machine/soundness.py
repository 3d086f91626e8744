"""The linter: what makes a saga sound, checked when it is declared. Each finding names saga, step and remedy."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, assert_never, cast, get_type_hints

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from contracts import Command, Event
from sagas.machine.definition import Branch, Node, Parallel, Rule, Saga, Step, default_retry, walk

D = TypeVar("D", bound=BaseModel)

_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class UnsoundSaga(Exception):
    """A saga is declared against the rules of the language; each line says where, what and what to do."""

    def __init__(self, saga: str, problems: list[str]) -> None:
        """Gather all problems of one saga."""
        super().__init__("\n".join(f"saga {saga}: {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(slots=True)
class Findings(Generic[D]):
    """What inspection has worked out: the type of the data, and a rule for each step by name."""

    data_type: type[D]
    table: dict[str, Rule[D]] = field(default_factory=dict)


def inspect(saga: Saga[Any, D]) -> Findings[D]:
    """Work out what the definition says. Raises `UnsoundSaga` with every problem found."""
    problems = list(_of_names(saga))
    data_type = _data_type(saga, problems)
    phases = _Phases(problems)
    phases.follow(saga.steps, frozenset({False}))
    findings: Findings[D] = Findings(data_type)
    for each in walk(saga.steps):
        if isinstance(each, Step):
            after_pivot = True in phases.seen.get(each.name, ())
            command = _command(each.name, "send", each.send, data_type, problems)
            undo = _command(each.name, "compensate", each.compensate, data_type, problems) if each.compensate else None
            problems.extend(_of_step(saga, each, command, phases.seen.get(each.name, frozenset())))
            problems.extend(_of_remember(each, command, data_type))
            retry = each.retry or default_retry(after_pivot=after_pivot)
            findings.table[each.name] = Rule(each, command, undo, retry)
    problems.extend(_of_outcomes(saga, data_type))
    if problems:
        raise UnsoundSaga(saga.name, problems)
    return findings


# --- names and groups


def _of_names(saga: Saga[Any, D]) -> Iterator[str]:
    nodes = list(walk(saga.steps))
    steps = [each.name for each in nodes if isinstance(each, Step)]
    branches = [each.name for each in nodes if isinstance(each, Branch)]
    for name in (saga.name, *steps):
        if not _KEBAB.fullmatch(name):
            yield f"{name!r} is no name: write it in kebab-case, such as reserve-stock"
    for name, count in (Counter(steps) + Counter(branches)).items():
        if count > 1:
            yield f"{name} stands {count} times: give each step and each branch a name of its own"
    if not steps:
        yield "it has no step: a saga is a sequence of at least one"
    yield from _of_groups(nodes)


def _of_groups(nodes: list[Node[D]]) -> Iterator[str]:
    for each in nodes:
        if isinstance(each, Parallel) and len(each.nodes) < 2:  # noqa: PLR2004  a group of one is none
            yield "a parallel group has fewer than two nodes: write its node alone"
        if isinstance(each, Branch) and not each.nodes:
            yield f"branch {each.name} has nothing to do when it holds: turn the predicate round, or remove the branch"


# --- phases: compensatable, at most one pivot, retriable


@dataclass(slots=True)
class _Phases:
    """Follows every path, and notes for each step whether it may stand before (False) or after (True) the pivot."""

    problems: list[str]
    seen: dict[str, frozenset[bool]] = field(default_factory=dict)

    def follow(self, nodes: tuple[Node[D], ...], phases: frozenset[bool], *, grouped: bool = False) -> frozenset[bool]:
        """Go through a sequence, and return the phases in which it may end."""
        for node in nodes:
            match node:
                case Step():
                    phases = self._step(node, phases, grouped=grouped)
                case Parallel():
                    for member in node.nodes:
                        self.follow((member,), phases, grouped=True)
                case Branch():
                    taken = self.follow(node.nodes, phases, grouped=grouped)
                    phases = taken | self.follow(node.otherwise, phases, grouped=grouped)
                case _:
                    assert_never(node)
        return phases

    def _step(self, step: Step[D], phases: frozenset[bool], *, grouped: bool) -> frozenset[bool]:
        self.seen[step.name] = self.seen.get(step.name, frozenset()) | phases
        if not step.is_pivot:
            return phases
        if grouped:
            self.problems.append(f"pivot {step.name} stands in a parallel group: put it into the main sequence")
        if True in phases:
            self.problems.append(f"pivot {step.name} may follow another pivot: make one of them a step")
        return frozenset({True})


def _of_step(saga: Saga[Any, D], step: Step[D], command: type[Command[Any]], phases: frozenset[bool]) -> Iterator[str]:
    before = False in phases
    if before and not (step.is_pivot or step.compensate or command.safe):
        yield (
            f"step {step.name} changes something before the pivot and cannot be undone: give it a compensate, "
            f"make it the pivot, or declare {command.__name__} safe"
        )
    if not before and step.compensate:
        yield f"step {step.name} stands after the pivot, where nothing is undone: remove its compensate"
    if True in phases and step.retry and step.retry.attempts is not None:
        yield f"step {step.name} may stand after the pivot and has a finite retry: leave attempts at None"
    if before and saga.deadline is not None and step.timeout > saga.deadline:
        yield f"step {step.name} has a timeout of {step.timeout}, beyond the deadline of {saga.deadline}: shorten it"
    if step.timeout.total_seconds() <= 0:
        yield f"step {step.name} has a timeout of {step.timeout}: it must be longer than nothing"


# --- types, read from the annotations of the saga's functions


def _hints(function: Callable[..., Any]) -> tuple[list[Any], Any]:
    """Return the annotated types of a function's parameters, in order, and of what it returns."""
    hints = get_type_hints(function)
    returns = hints.pop("return", None)
    return list(hints.values()), returns


def _data_type(saga: Saga[Any, D], problems: list[str]) -> type[D]:
    """Read the type of the data from `begin`, and check that it can be stored."""
    takes, returns = _checked_hints("begin", saga.begin, problems)
    if not (isinstance(returns, type) and issubclass(returns, BaseModel)):
        problem = f"begin must be annotated to return the data, a frozen pydantic model, not {returns}"
        raise UnsoundSaga(saga.name, [*problems, problem])
    if takes and takes[0] is not saga.starts_on:
        problems.append(f"begin takes {_name(takes[0])}, but the saga starts on {saga.starts_on.__name__}")
    if not returns.model_config.get("frozen"):
        problems.append(f"the data {returns.__name__} can be changed in place: declare its model frozen")
    try:
        returns.model_json_schema(mode="serialization")
    except PydanticInvalidForJsonSchema as error:
        problems.append(f"the data {returns.__name__} does not survive JSON: {str(error).splitlines()[0]}")
    return cast("type[D]", returns)


def _checked_hints(what: str, function: Callable[..., Any], problems: list[str]) -> tuple[list[Any], Any]:
    """Read the annotations, or note that they cannot be read."""
    try:
        return _hints(function)
    except NameError as error:
        problems.append(f"{what} {_name(function)}: {error}; import it where the saga is declared, at run time")
        return [], None


def _command(
    step: str, what: str, function: Callable[..., Any], data_type: type[D], problems: list[str]
) -> type[Command[Any]]:
    """Read from a send's or compensate's annotation which command it makes."""
    takes, returns = _checked_hints(f"step {step}: {what}", function, problems)
    if not (isinstance(returns, type) and issubclass(returns, Command) and hasattr(returns, "reply")):
        problem = f"step {step}: {what} {_name(function)} must be annotated to return one command, not {returns}"
        problems.append(problem)
        return Command
    if not takes or takes[0] is not data_type:
        problems.append(f"step {step}: {what} {_name(function)} must take the data, {data_type.__name__}")
    return returns


def _of_remember(step: Step[D], command: type[Command[Any]], data_type: type[D]) -> Iterator[str]:
    if step.remember is None or not hasattr(command, "reply"):
        return
    problems: list[str] = []
    takes, _ = _checked_hints(f"step {step.name}: remember", step.remember, problems)
    yield from problems
    if not problems and takes != [data_type, command.reply]:
        given = ", ".join(_name(each) for each in takes)
        yield (
            f"step {step.name}: remember {_name(step.remember)} takes ({given}), but {command.__name__} is answered "
            f"with {command.reply.__name__}: let it take ({data_type.__name__}, {command.reply.__name__})"
        )


def _of_outcomes(saga: Saga[Any, D], data_type: type[D]) -> Iterator[str]:
    for what, function in (("on_completed", saga.on_completed), ("on_compensated", saga.on_compensated)):
        problems: list[str] = []
        takes, returns = _checked_hints(what, function, problems)
        yield from problems
        if not problems and not (isinstance(returns, type) and issubclass(returns, Event)):
            yield f"{what} {_name(function)} must be annotated to return one event, not {returns}"
        if not problems and (not takes or takes[0] is not data_type):
            yield f"{what} {_name(function)} must take the data, {data_type.__name__}"


def _name(thing: object) -> str:
    return getattr(thing, "__name__", str(thing))
