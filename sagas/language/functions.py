"""The functions that a saga's author wrote: which there are, and which of them raised an error."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from traceback import walk_tb
from types import FrameType
from typing import Any, NamedTuple

from saga_coordinator.sagas.language.lint.serializable import name_of
from saga_coordinator.sagas.language.nodes import ForEach, walk
from saga_coordinator.sagas.language.saga import Saga


class AuthorFunction(NamedTuple):
    """A function of a saga, and what it is for: the name of its node (None: the saga's own), and of the argument."""

    node: str | None
    argument: str
    function: Callable[..., Any]

    def __str__(self) -> str:
        """Write it with its name, its file and its line."""
        code = getattr(self.function, "__code__", None)
        place = f"{code.co_filename}:{code.co_firstlineno}" if code else "?"
        return str(RaisedIn(self.node, self.argument, name_of(self.function), place))


class RaisedIn(NamedTuple):
    """The function of a saga that raised: its node and argument, its name, and the file and line where it stood."""

    node: str | None
    argument: str
    function: str
    place: str

    def __str__(self) -> str:
        """Write it as the beginning of a sentence."""
        where = "" if self.node is None else f"step {self.node}: "
        return f"{where}{self.argument} {self.function}, {self.place}"


def author_functions(saga: Saga[Any, Any]) -> Iterator[AuthorFunction]:
    """Yield the saga's own functions, then those of its nodes in the order of the definition."""
    yield from functions_of(None, saga)
    for node in walk(saga.steps):
        name = str(getattr(node, "name", ""))
        yield from functions_of(name, node)
        if isinstance(node, ForEach):
            yield from functions_of(name, node.step)


def raised_in(saga: Saga[Any, Any], error: BaseException) -> RaisedIn | None:
    """Return the function of a saga in which an error was raised; None if it came from elsewhere."""
    functions = list(author_functions(saga))
    for frame, line in walk_tb(error.__traceback__):
        for each in functions:
            if _runs(each.function, frame):
                place = f"{frame.f_code.co_filename}:{line}"
                return RaisedIn(each.node, each.argument, name_of(each.function), place)
    return None


def functions_of(node: str | None, declared: Any) -> Iterator[AuthorFunction]:  # noqa: ANN401  a dataclass of this language
    """Yield the functions that a saga or a node has itself."""
    for field in fields(declared):
        value = getattr(declared, field.name)
        if callable(value) and not isinstance(value, type):
            yield AuthorFunction(node, field.name, value)


def _runs(function: Callable[..., Any], frame: FrameType) -> bool:
    """Return whether a frame executes a function: its code, with what that closes over (a decorator's differ in it)."""
    code = getattr(function, "__code__", None)
    if frame.f_code is not code:
        return False
    cells = getattr(function, "__closure__", None) or ()
    return all(
        frame.f_locals.get(name) is cell.cell_contents for name, cell in zip(code.co_freevars, cells, strict=True)
    )
