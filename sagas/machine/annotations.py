"""What the annotations of a saga's functions say: which messages and data they take and make."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from contracts import Command, Event, Failure, Reply
from sagas.machine.definition import Saga
from sagas.machine.nodes import Delay, ForEach, Receive, Step

D = TypeVar("D", bound=BaseModel)

Function = Callable[..., Any]


class Reader(Generic[D]):
    """Reads the functions of one saga, and gathers what is wrong with them."""

    def __init__(self, saga: Saga[Any, D], data: type[D], problems: list[str]) -> None:
        self.saga = saga
        self.data = data
        self.problems = problems

    # --- the whole

    def ends(self) -> None:
        """Check what is told at the end: events, or a child's reply and failure."""
        saga = self.saga
        makes_reply = saga.starts_on.reply if issubclass(saga.starts_on, Command) else None
        good, bad = (makes_reply, Failure) if makes_reply else (Event, Event)
        self._check("on_completed", saga.on_completed, takes=(self.data,), makes=good)
        if saga.on_compensated is not None:
            self._check("on_compensated", saga.on_compensated, takes=(self.data, None), makes=bad)
        elif makes_reply is None:
            self.problems.append("it has no on_compensated: listeners have to learn that it was undone")
        if callable(saga.deadline):
            self._check("deadline", saga.deadline, takes=(self.data,), makes=datetime)

    # --- the leaves

    def step(self, step: Step[D], *item: Any) -> tuple[type[Command[Any]], type[Command[Any]] | None]:  # noqa: ANN401  a type
        """Check a step's functions; return the command that it sends and the one that undoes it."""
        where = f"step {step.name}"
        command = self._command(where, "send", step.send, item)
        undo = self._command(where, "compensate", step.compensate, item) if step.compensate else None
        if step.remember is not None and hasattr(command, "reply"):
            self._remember(where, step.remember, (*item, command.reply), f"{command.__name__} is answered with")
        if callable(step.timeout):
            self._check(f"{where}: timeout", step.timeout, takes=(self.data,), makes=timedelta)
        return command, undo

    def item(self, node: ForEach[D]) -> tuple[Any, TypeAdapter[Any]]:
        """Return the type of a for-each's items, and what writes and reads them."""
        where = f"for_each {node.name}"
        _, listed = self._hints(f"{where}: items", node.items)
        item = get_args(listed)[0] if _is_list(listed) else None
        if item is None:
            self.problems.append(
                f"{where}: items {name_of(node.items)} must be annotated to return a list, not {listed}"
            )
            return Any, TypeAdapter(Any)
        self._check(f"{where}: items", node.items, takes=(self.data,))
        self._check(f"{where}: key", node.key, takes=(item,), makes=str)
        try:
            adapter = TypeAdapter(item)
            adapter.json_schema(mode="serialization")
        except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError) as error:
            problem = str(error).splitlines()[0]
            self.problems.append(f"{where}: its items, {name_of(item)}, do not survive JSON: {problem}")
            return item, TypeAdapter(Any)
        return item, adapter

    def receive(self, node: Receive[D]) -> None:
        """Check the functions of a receive."""
        where = f"receive {node.name}"
        self._check(f"{where}: key", node.key, takes=(node.event,), makes=str)
        if node.expects is not None:
            self._check(f"{where}: expects", node.expects, takes=(self.data,), makes=str)
        if node.remember is not None:
            self._remember(where, node.remember, (node.event,), "it receives")
        if callable(node.timeout):
            self._check(f"{where}: timeout", node.timeout, takes=(self.data,), makes=timedelta)

    def delay(self, node: Delay[D]) -> None:
        """Check the function of a delay."""
        if callable(node.lasts):
            self._check(f"delay {node.name}: lasts", node.lasts, takes=(self.data,), makes=timedelta)
        if node.until is not None:
            self._check(f"delay {node.name}: until", node.until, takes=(self.data,), makes=datetime)

    # --- how

    def _command(self, where: str, what: str, function: Function, item: Sequence[Any]) -> type[Command[Any]]:
        """Read which command a function makes."""
        takes, returns = self._hints(f"{where}: {what}", function)
        if not (isinstance(returns, type) and issubclass(returns, Command) and hasattr(returns, "reply")):
            self.problems.append(
                f"{where}: {what} {name_of(function)} must be annotated to return one command, not {returns}"
            )
            return Command
        self._takes(f"{where}: {what} {name_of(function)}", takes, (self.data, *item))
        return returns

    def _remember(self, where: str, function: Function, told: Sequence[Any], says: str) -> None:
        """Check that what is heard can be remembered."""
        problems = len(self.problems)
        takes, _ = self._hints(f"{where}: remember", function)
        wanted = [self.data, *told]
        if len(self.problems) == problems and takes != wanted:
            given, right = _listed(takes), _listed(wanted)
            self.problems.append(
                f"{where}: remember {name_of(function)} takes ({given}), but {says} {name_of(told[-1])}: "
                f"let it take ({right})"
            )

    def _check(self, where: str, function: Function, *, takes: Sequence[Any], makes: type | None = None) -> None:
        """Check what a function takes (None: anything) and what it makes."""
        problems = len(self.problems)
        given, returns = self._hints(where, function)
        if len(self.problems) > problems:
            return
        if makes is not None and not (isinstance(returns, type) and issubclass(returns, makes)):
            self.problems.append(
                f"{where} {name_of(function)} must be annotated to return {_article(makes)}, not {returns}"
            )
        self._takes(f"{where} {name_of(function)}", given, takes)

    def _takes(self, where: str, given: Sequence[Any], wanted: Sequence[Any]) -> None:
        if len(given) != len(wanted) or any(
            w is not None and not _fits(g, w) for g, w in zip(given, wanted, strict=True)
        ):
            named = ["data" if each is self.data else name_of(each) for each in wanted if each is not None]
            right = f"the data, {name_of(self.data)}" if named == ["data"] else f"({_listed(w for w in wanted if w)})"
            self.problems.append(f"{where} must take {right}")

    def _hints(self, what: str, function: Function) -> tuple[list[Any], Any]:
        return hints(what, function, self.problems)


def hints(what: str, function: Function, problems: list[str]) -> tuple[list[Any], Any]:
    """Return the annotated types of a function's parameters, in order, and of what it returns; or note a problem."""
    try:
        found = get_type_hints(function)
    except NameError as error:
        problems.append(f"{what} {name_of(function)}: {error}; import it where the saga is declared, at run time")
        return [], None
    returns = found.pop("return", None)
    return list(found.values()), returns


def data_of(saga: Saga[Any, D], problems: list[str]) -> type[D] | None:
    """Read the type of the data from `begin`, and check that it can be stored. None: it cannot be told."""
    takes, returns = hints("begin", saga.begin, problems)
    if not (isinstance(returns, type) and issubclass(returns, BaseModel)):
        problems.append(f"begin must be annotated to return the data, a frozen pydantic model, not {returns}")
        return None
    if takes and takes[0] is not saga.starts_on:
        problems.append(f"begin takes {name_of(takes[0])}, but the saga starts on {saga.starts_on.__name__}")
    if not returns.model_config.get("frozen"):
        problems.append(f"the data {returns.__name__} can be changed in place: declare its model frozen")
    try:
        returns.model_json_schema(mode="serialization")
    except PydanticInvalidForJsonSchema as error:
        problems.append(f"the data {returns.__name__} does not survive JSON: {str(error).splitlines()[0]}")
    return cast("type[D]", returns)


def name_of(thing: object) -> str:
    """Return the name of a function or type, for people."""
    return str(getattr(thing, "__name__", thing))


def _is_list(kind: object) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Sequence) and bool(get_args(kind))


def _fits(given: Any, wanted: Any) -> bool:  # noqa: ANN401  types as values
    """Say whether a parameter takes a type: it is that type, a union with it, or a class above it."""
    if given is wanted or given is Any or wanted in get_args(given):
        return True
    return isinstance(given, type) and isinstance(wanted, type) and issubclass(wanted, given)


def _article(kind: type) -> str:
    if kind is Event:
        return "one event"
    if issubclass(kind, Reply):
        return f"{kind.__name__}, which answers the command that it starts on"
    return f"a {kind.__name__}"


def _listed(kinds: Iterable[Any]) -> str:
    return ", ".join(_named(kinds))


def _named(kinds: Iterable[Any]) -> Iterator[str]:
    for kind in kinds:
        yield name_of(kind)
