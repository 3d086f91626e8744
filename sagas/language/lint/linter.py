"""The linter: what makes a saga sound, checked when it is declared. Each finding names saga, step and remedy.

Each topic has its module: `arguments.py` what kind each argument is, `structure.py` names and groups, `phases.py` what
may stand before and after the pivot, `durations.py` times and retries, `signatures.py` what the functions take and
return, `bodies.py` how they do it, `serializable.py` what survives JSON. What starts a saga, and what it waits for, is
checked here.
"""

from collections.abc import Iterator
from traceback import walk_stack
from typing import Final

from saga_coordinator.contracts import Command, Event
from saga_coordinator.sagas.language.declaration import Declaration
from saga_coordinator.sagas.language.lint import durations, phases, structure
from saga_coordinator.sagas.language.lint.arguments import argument_problems
from saga_coordinator.sagas.language.lint.phases import Phases
from saga_coordinator.sagas.language.lint.signatures import SignatureChecker, data_of
from saga_coordinator.sagas.language.nodes import (
    Branch,
    D,
    Delay,
    ForEach,
    Node,
    Receive,
    Step,
    StepPlan,
    walk,
)
from saga_coordinator.sagas.language.retry import FOREVER, ONCE

_LANGUAGE: Final = __name__.partition(".lint")[0]


class UnsoundSaga(Exception):
    """A saga breaks the rules of the language; each line says where, what and what to do."""

    def __init__(self, saga: str, problems: list[str]) -> None:
        """Collect all problems of one saga, with the place in the code that declares it."""
        place = _declared_at()
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(": ".join((place, f"saga {saga}", problem)) for problem in self.problems))


def _declared_at() -> str:
    """Return the file and line that declare a saga: the innermost that are not in here."""
    frames = ((frame.f_globals.get("__name__", ""), frame.f_code, line) for frame, line in walk_stack(None))
    return next(
        f"{code.co_filename}:{line}"
        for module, code, line in frames
        if not module.startswith(_LANGUAGE) and module not in {"dataclasses", "functools"}
    )


def inspect(saga: Declaration[D]) -> tuple[type[D], dict[str, StepPlan[D]]]:
    """Return the type of the data and what holds for each step, by name. Raises `UnsoundSaga` with every problem."""
    problems = list(structure.structure_problems(saga.steps)) or list(argument_problems(saga))
    if problems:
        raise UnsoundSaga(str(saga.name), problems)
    problems += [*structure.of_names(saga), *durations.of_saga(saga), *_of_start(saga)]
    data_type = data_of(saga, problems)
    if data_type is None:
        raise UnsoundSaga(saga.name, problems)
    paths = Phases(problems)
    paths.follow(saga.steps, frozenset({False}))
    steps: dict[str, StepPlan[D]] = {}
    reader = SignatureChecker(saga, data_type, problems)
    reader.starts()
    for node in walk(saga.steps):
        problems += structure.of_group(node)
        _inspect_node(node, reader, paths, steps)
    reader.ends()
    problems += _of_safe_child(saga, steps)
    if problems:
        raise UnsoundSaga(saga.name, problems)
    return data_type, steps


def _inspect_node(node: Node[D], reader: SignatureChecker[D], paths: Phases, steps: dict[str, StepPlan[D]]) -> None:
    """Check one node, and add what holds for its steps. A group is checked by its members."""
    problems, saga = reader.problems, reader.saga
    match node:
        case Step():
            steps[node.name] = _step_plan(node, reader, paths)
        case ForEach():
            steps[node.name] = _step_plan(node.step, reader, paths, node)
            problems += durations.of_each(node)
        case Receive():
            reader.receive(node)
            problems += _of_receive(saga, node)
            problems += durations.of_receive(saga, node, before=False in paths.seen[node.name])
        case Delay():
            reader.delay(node)
            problems += durations.of_delay(saga, node, before=False in paths.seen[node.name])
        case Branch():
            reader.branch(node)
        case _:
            return


def _step_plan(
    step: Step[D], reader: SignatureChecker[D], paths: Phases, each: ForEach[D] | None = None
) -> StepPlan[D]:
    seen = paths.seen[step.name]
    item, adapter = reader.item(each) if each else (None, None)
    command, undo = reader.step(step, *([item] if each else []))
    reader.problems += phases.of_step(step, command, seen)
    reader.problems += durations.of_step(reader.saga, step, before=False in seen)
    retry = step.retry or (FOREVER if True in seen else ONCE)
    return StepPlan(step=step, command=command, undo=undo, retry=retry, item=adapter)


def _of_start(saga: Declaration[D]) -> Iterator[str]:
    start = saga.starts_on
    if not issubclass(start, Event | Command):
        yield f"it starts on {start.__name__}, which is neither an event nor a command: let it start on one"
    if saga.cancel_on is start:
        yield f"it starts on {start.__name__}, and is cancelled by it too: let another event cancel it"
    if not issubclass(start, Command):
        return
    if not start.cancellable:
        yield f"it starts on {start.__name__}, and accepts a cancel of it: declare the command cancellable"
    if not hasattr(start, "reply"):
        yield f"it starts on {start.__name__}, which names no reply to answer it with: declare it as Command[ItsReply]"
    if saga.cancel_on is not None:
        yield "it starts on a command, and is cancelled by who sent that: remove cancel_on"


def _of_safe_child(saga: Declaration[D], steps: dict[str, StepPlan[D]]) -> Iterator[str]:
    """A safe command needs no compensation: nobody would undo what its saga has done."""
    start = saga.starts_on
    if not (issubclass(start, Command) and start.safe):
        return
    for name, step_plan in steps.items():
        if not step_plan.command.safe:
            yield (
                f"it starts on {start.__name__}, which is declared safe, but step {name} changes something: "
                "declare the command not safe, so that who sends it can undo it"
            )


def _of_receive(saga: Declaration[D], node: Receive[D]) -> Iterator[str]:
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
