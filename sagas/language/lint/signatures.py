"""The signatures of a saga's functions: which messages and data they take and return."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import NoneType, UnionType
from typing import Any, Generic, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter

from saga_coordinator.contracts import Command, Event, Failure, Message, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.declaration import Declaration
from saga_coordinator.sagas.language.lint.bodies import body_problems
from saga_coordinator.sagas.language.lint.serializable import name_of, serialization_problems
from saga_coordinator.sagas.language.nodes import Branch, D, Delay, ForEach, Receive, Step

Function = Callable[..., Any]

MAX_TOPIC = 245
"""Kafka takes 249 characters, and `-dlt` comes after the name of a topic that is read."""

_TOPIC = re.compile(rf"(?!\.{{1,2}}$)[a-zA-Z0-9._-]{{1,{MAX_TOPIC}}}")


class SignatureChecker(Generic[D]):
    """Reads the functions of one saga, and collects what is wrong with them."""

    def __init__(self, saga: Declaration[D], data: type[D], problems: list[str]) -> None:
        self.saga = saga
        self.data = data
        self.problems = problems

    def starts(self) -> None:
        """Check what starts and cancels the saga, and how their key is found."""
        saga = self.saga
        self._check_message("it starts on", saga.starts_on)
        self._check("correlate", saga.correlate, takes=(saga.starts_on,), makes=str)
        if saga.cancel_on is not None:
            self._check_message("it is cancelled by", saga.cancel_on)
            self._check("correlate", saga.correlate, takes=(saga.cancel_on,))

    def ends(self) -> None:
        """Check the outcomes: events, or a child's reply and failure."""
        saga, is_child = self.saga, issubclass(self.saga.starts_on, Command)
        good, bad = (getattr(saga.starts_on, "reply", Reply), Failure) if is_child else (Event, Event)
        self._check("on_completed", saga.on_completed, takes=(self.data,), makes=good)
        if saga.on_compensated is not None:
            self._check("on_compensated", saga.on_compensated, takes=(self.data, Cause), makes=bad)
        elif not is_child:
            self.problems.append("it has no on_compensated: listeners have to learn that it was undone")
        if callable(saga.deadline):
            self._check("deadline", saga.deadline, takes=(self.data,), makes=datetime)

    def step(self, step: Step[D], *item: Any) -> tuple[type[Command[Any]], type[Command[Any]] | None]:  # noqa: ANN401  a type
        """Check a step's functions; return the command that it sends and the one that undoes it."""
        where = f"step {step.name}"
        command = self._command(where, "send", step.send, item)
        undo = self._command(where, "compensate", step.compensate, item) if step.compensate else None
        if step.compensate is step.send:
            self.problems.append(f"{where}: compensate is the very function that sends it: give it one that undoes")
        if undo is not None and undo.safe:
            self.problems.append(
                f"{where}: its compensation {undo.__name__} is declared safe, and so would undo nothing: "
                "declare it not safe"
            )
        if step.remember is not None and hasattr(command, "reply"):
            self._remember(where, step.remember, (*item, command.reply), f"{command.__name__} is answered with")
        self._length(f"{where}: timeout", step.timeout)
        return command, undo

    def item(self, node: ForEach[D]) -> tuple[Any, TypeAdapter[Any]]:
        """Return the type of a for-each's items, and what writes and reads them."""
        where = f"for_each {node.name}"
        _, listed = hints(f"{where}: items", node.items, self.problems)
        item = _item_of(listed)
        if item is None:
            self.problems.append(
                f"{where}: items {name_of(node.items)} must be annotated to return a list or a tuple[..., ...], "
                f"not {name_of(listed)}"
            )
            return Any, TypeAdapter(Any)
        self._check(f"{where}: items", node.items, takes=(self.data,))
        self._check(f"{where}: key", node.key, takes=(item,), makes=str)
        lost = serialization_problems(item, f"{where}: its item")
        self.problems += lost
        return item, TypeAdapter(Any if lost else item)

    def receive(self, node: Receive[D]) -> None:
        where = f"receive {node.name}"
        self._check_message(f"{where}: it awaits", node.event)
        self._check(f"{where}: key", node.key, takes=(node.event,), makes=str)
        if node.expects is not None:
            self._check(f"{where}: expects", node.expects, takes=(self.data,), makes=str)
        if node.remember is not None:
            self._remember(where, node.remember, (node.event,), "it receives")
        self._length(f"{where}: timeout", node.timeout)

    def delay(self, node: Delay[D]) -> None:
        self._length(f"delay {node.name}: lasts", node.lasts)
        if node.until is not None:
            self._check(f"delay {node.name}: until", node.until, takes=(self.data,), makes=datetime)

    def branch(self, node: Branch[D]) -> None:
        self._check(f"branch {node.name}: predicate", node.predicate, takes=(self.data,), makes=bool)

    def _command(self, where: str, what: str, function: Function, item: Sequence[Any]) -> type[Command[Any]]:
        problems = len(self.problems)
        takes, returns = hints(f"{where}: {what}", function, self.problems)
        if len(self.problems) > problems:
            return Command
        if not (isinstance(returns, type) and issubclass(returns, Command) and hasattr(returns, "reply")):
            self.problems.append(
                f"{where}: {what} {name_of(function)} must be annotated to return one command, not {name_of(returns)}"
            )
            return Command
        self._check_message(f"{where}: it sends", returns)
        self._check_message(f"{where}: {returns.__name__} is answered with", returns.reply)
        self._takes(f"{where}: {what} {name_of(function)}", takes, (self.data, *item))
        return returns

    def _remember(self, where: str, function: Function, given_to: Sequence[Any], says: str) -> None:
        """Check that a function puts a reply or an event into the data."""
        problems = len(self.problems)
        takes, returns = hints(f"{where}: remember", function, self.problems)
        wanted = [self.data, *given_to]
        if len(self.problems) > problems:
            return
        if not _all_fit(takes, wanted):
            given, right = _listed(takes), _listed(wanted)
            self.problems.append(
                f"{where}: remember {name_of(function)} takes ({given}), but {says} {name_of(given_to[-1])}: "
                f"let it take ({right})"
            )
        if not (isinstance(returns, type) and issubclass(returns, self.data)):
            self.problems.append(
                f"{where}: remember {name_of(function)} must be annotated to return the data, {name_of(self.data)}, "
                f"not {name_of(returns)}"
            )

    def _length(self, where: str, length: object) -> None:
        if callable(length):
            self._check(where, length, takes=(self.data,), makes=timedelta)

    def _check(self, where: str, function: Function, *, takes: Sequence[Any], makes: type | None = None) -> None:
        """Check what a function takes and, unless that was checked before, what it makes."""
        problems = len(self.problems)
        given, returns = hints(where, function, self.problems)
        if len(self.problems) > problems:
            return
        if makes is not None and not (isinstance(returns, type) and issubclass(returns, makes)):
            self.problems.append(
                f"{where} {name_of(function)} must be annotated to return {_article(makes)}, not {name_of(returns)}"
            )
        elif isinstance(returns, type) and issubclass(returns, Message):
            self._check_message(f"{where} makes", returns, travels_alone=False)
        self._takes(f"{where} {name_of(function)}", given, takes)

    def _takes(self, where: str, given: Sequence[Any], wanted: Sequence[Any]) -> None:
        if not _all_fit(given, wanted):
            right = f"the data, {name_of(self.data)}" if list(wanted) == [self.data] else f"({_listed(wanted)})"
            self.problems.append(f"{where} must take {right}, and nothing else")

    def _check_message(self, what: str, message: type[Message], *, travels_alone: bool = True) -> None:
        """Check that a message has a type and, if it is not published on a topic of the saga, a topic."""
        if not getattr(message, "message_type", None):
            self.problems.append(
                f"{what} {message.__name__}, which has no message_type: give its class one, such as orders.placed.v1"
            )
        if travels_alone and issubclass(message, Event | Command) and not getattr(message, "topic", None):
            self.problems.append(
                f"{what} {message.__name__}, which has no topic: let its class say where it is published"
            )
        elif travels_alone and issubclass(message, Event | Command) and not _TOPIC.fullmatch(str(message.topic)):
            self.problems.append(
                f"{what} {message.__name__}, whose topic {message.topic!r} is no name of a topic: "
                f"write at most {MAX_TOPIC} letters, digits, dots, dashes and underscores, such as orders.events.v1"
            )


def hints(what: str, function: Function, problems: list[str]) -> tuple[list[Any], Any]:
    """Return the annotated types of a function's parameters, in order, and of what it returns; or note a problem."""
    if iscoroutinefunction(function) or isgeneratorfunction(function) or isasyncgenfunction(function):
        problems.append(
            f"{what} {name_of(function)} is no plain function: what is decided waits for nothing, so use def"
        )
        return [], None
    try:
        found = get_type_hints(function)
    except NameError as error:
        problems.append(f"{what} {name_of(function)}: {error}; import it where the saga is declared, at run time")
        return [], None
    except TypeError:
        problems.append(f"{what} is {type(function).__name__}, which carries no annotations: write a function with def")
        return [], None
    returns = found.pop("return", None)
    if returns not in {None, NoneType}:
        problems += body_problems(f"{what} {name_of(function)}", function)
    return list(found.values()), returns


def data_of(saga: Declaration[D], problems: list[str]) -> type[D] | None:
    """Read the type of the data from `begin`, and check that it can be stored. None: it is unknown."""
    known = len(problems)
    takes, returns = hints("begin", saga.begin, problems)
    if len(problems) > known:
        return None
    if not (isinstance(returns, type) and issubclass(returns, BaseModel)):
        problems.append(f"begin must be annotated to return the data, a frozen pydantic model, not {name_of(returns)}")
        return None
    if not _all_fit(takes, [saga.starts_on]):
        problems.append(
            f"begin takes ({_listed(takes)}), but the saga starts on {saga.starts_on.__name__}: let it take that"
        )
    problems += serialization_problems(returns, f"the data {returns.__name__}")
    return cast("type[D]", returns)


def _item_of(listed: Any) -> Any | None:  # noqa: ANN401  types as values
    """Return the type of the items of a list type; None if it is no list, or holds several types."""
    origin, args = get_origin(listed), get_args(listed)
    if not (isinstance(origin, type) and issubclass(origin, Sequence) and args):
        return None
    if origin is tuple and args[1:] != (Ellipsis,):
        return None
    return args[0]


def _all_fit(given: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return len(given) == len(wanted) and all(map(_fits, given, wanted))


def _fits(given: Any, wanted: Any) -> bool:  # noqa: ANN401  types as values
    """Return whether a parameter takes a type: it is that type, a union with it, or a class above it."""
    if given == wanted or given is Any:
        return True
    if get_origin(given) in {Union, UnionType}:
        return any(_fits(each, wanted) for each in get_args(given))
    return isinstance(given, type) and isinstance(wanted, type) and issubclass(wanted, given)


def _article(kind: type) -> str:
    if kind is Event:
        return "one event"
    if issubclass(kind, Reply) and kind is not Failure:
        return f"{kind.__name__}, which answers the command that it starts on"
    return f"a {kind.__name__}"


def _listed(kinds: Iterable[Any]) -> str:
    return ", ".join(map(name_of, kinds))
