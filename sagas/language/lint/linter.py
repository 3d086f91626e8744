"""The linter: what makes a saga sound, checked when it is declared. Each finding names saga, step and remedy.

Its rules, each in the module of its topic: `layout.py` names and groups, `phases.py` what may stand before and after
the pivot, `lengths.py` times and retries, `annotations.py` what the functions take and make, `storable.py` what
survives JSON; and here what starts a saga, and what it waits for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from saga_coordinator.contracts import Command, Event
from saga_coordinator.sagas.language.lint import durations as lengths
from saga_coordinator.sagas.language.lint import phases
from saga_coordinator.sagas.language.lint import structure as layout
from saga_coordinator.sagas.language.lint.phases import Phases
from saga_coordinator.sagas.language.lint.signatures import Reader, data_of
from saga_coordinator.sagas.language.nodes import (
    Branch,
    Delay,
    ForEach,
    Node,
    Receive,
    Step,
    StepPlan,
    default_retry,
    walk,
)
from saga_coordinator.sagas.language.saga import Saga

D = TypeVar("D", bound=BaseModel)


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
    table: dict[str, StepPlan[D]] = field(default_factory=dict)


def inspect(saga: Saga[Any, D]) -> Findings[D]:
    """Work out what the definition says. Raises `UnsoundSaga` with every problem found."""
    problems = list(layout.structure_problems(saga.steps))
    if problems:
        raise UnsoundSaga(saga.name, problems)
    problems += [*layout.of_names(saga), *lengths.of_saga(saga), *_of_start(saga)]
    data_type = data_of(saga, problems)
    if data_type is None:
        raise UnsoundSaga(saga.name, problems)
    ways = Phases(problems)
    ways.follow(saga.steps, frozenset({False}))
    findings: Findings[D] = Findings(data_type)
    reader = Reader(saga, data_type, problems)
    reader.starts()
    for node in walk(saga.steps):
        problems += layout.of_group(node)
        _inspect_node(node, reader, ways, findings)
    reader.ends()
    problems += _of_safe_child(saga, findings)
    if problems:
        raise UnsoundSaga(saga.name, problems)
    return findings


def _inspect_node(node: Node[D], reader: Reader[D], ways: Phases, findings: Findings[D]) -> None:
    """Check one node, and work out its rule if it sends commands. A group is checked by its members."""
    problems, saga = reader.problems, reader.saga
    match node:
        case Step():
            findings.table[node.name] = _rule(node, reader, ways)
        case ForEach():
            findings.table[node.name] = _rule(node.step, reader, ways, node)
            problems += lengths.of_each(node)
        case Receive():
            reader.receive(node)
            problems += _of_receive(saga, node)
            problems += lengths.of_receive(saga, node, before=False in ways.seen[node.name])
        case Delay():
            reader.delay(node)
            problems += lengths.of_delay(saga, node, before=False in ways.seen[node.name])
        case Branch():
            reader.branch(node)
        case _:
            return


def _rule(step: Step[D], reader: Reader[D], ways: Phases, each: ForEach[D] | None = None) -> StepPlan[D]:
    seen = ways.seen[step.name]
    item, adapter = reader.item(each) if each else (None, None)
    command, undo = reader.step(step, *([item] if each else []))
    reader.problems += phases.of_step(step, command, seen)
    reader.problems += lengths.of_step(reader.saga, step, before=False in seen)
    retry = step.retry or default_retry(after_pivot=True in seen)
    return StepPlan(step=step, command=command, undo=undo, retry=retry, item=adapter)


# --- what starts it, and what it waits for


def _of_start(saga: Saga[Any, D]) -> Iterator[str]:
    start = saga.starts_on
    if not issubclass(start, Event | Command):
        yield f"it starts on {start.__name__}, which is neither an event nor a command: let it start on one"
    if saga.cancel_on is start:
        yield f"it starts on {start.__name__}, and is cancelled by it too: let another event cancel it"
    if not issubclass(start, Command):
        return
    if not start.cancellable:
        yield f"it starts on {start.__name__}, and heeds a cancel of it: declare the command cancellable"
    if not hasattr(start, "reply"):
        yield f"it starts on {start.__name__}, which names no reply to answer it with: declare it as Command[ItsReply]"
    if saga.cancel_on is not None:
        yield "it starts on a command, and is cancelled by who sent that: remove cancel_on"


def _of_safe_child(saga: Saga[Any, D], findings: Findings[D]) -> Iterator[str]:
    """A safe command needs no compensation: nobody would undo what its saga has done."""
    start = saga.starts_on
    if not (issubclass(start, Command) and start.safe):
        return
    for name, step_plan in findings.table.items():
        if not step_plan.command.safe:
            yield (
                f"it starts on {start.__name__}, which is declared safe, but step {name} changes something: "
                "declare the command not safe, so that who sends it can undo it"
            )


def _of_receive(saga: Saga[Any, D], node: Receive[D]) -> Iterator[str]:
    if node.expects is not None:
        return
    if issubclass(saga.starts_on, Command):
        yield (
            f"receive {node.name}: an instance that a command has started is not found by its correlation key: "
            "say by expects= which key of the event it awaits"
        )
    for event, what in ((saga.starts_on, "starts"), (saga.cancel_on, "cancels")):
        if node.event is event:
            yield (
                f"receive {node.name} awaits {event.__name__}, which {what} the instance of its key: "
                "await another event, or another key by expects="
            )
