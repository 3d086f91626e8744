"""The bodies of a saga's functions: every path ends with a return, and nothing comes from a clock or by chance.

`saga test` evaluates each function twice, and finds what differs at once; `date.today()` differs only the next day.
What is read is the source, so a function without one is not checked.
"""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from textwrap import dedent
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, Never, NoReturn

_CLASS_METHODS: Final = {"now", "today", "utcnow"}
_IMPURE: Final[Mapping[str, frozenset[str]]] = {
    "time": frozenset({"time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime", "ctime"})
    | {"perf_counter", "perf_counter_ns"},
    "uuid": frozenset({"uuid1", "uuid4", "uuid6", "uuid7", "uuid8"}),
    "posix": frozenset({"urandom", "getrandom"}),
    "nt": frozenset({"urandom"}),
}
"""What gives another value at the next call, by module."""
_CHANCE: Final = {"random", "secrets"}
"""In these modules that is every function and every method."""


def body_problems(what: str, function: Callable[..., Any]) -> Iterator[str]:
    """Yield what is wrong with the body of a function that is annotated to return something."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    tree = code and _tree(code)
    if not isinstance(function, FunctionType) or tree is None:
        return
    if _passes(tree.body, function):
        yield f"{what} returns nothing on a path: end each path with a return"
    for name in dict.fromkeys(_impure_names(tree, function, {function})):
        yield (
            f"{what} uses {name}, which gives another value the next time: "
            "take times and new ids from the event that starts the saga"
        )


@cache
def _tree(code: CodeType) -> ast.FunctionDef | None:
    try:
        [tree] = ast.parse(dedent(inspect.getsource(code))).body
    except (OSError, SyntaxError, ValueError):
        return None
    return tree if isinstance(tree, ast.FunctionDef) else None


# --- paths


def _passes(body: Sequence[ast.stmt], of: FunctionType) -> bool:
    """Return whether the end of a block can be reached. A `match` is taken to name every case."""
    return all(_passes_one(each, of) for each in body)


def _passes_one(statement: ast.stmt, of: FunctionType) -> bool:
    match statement:
        case ast.Return() | ast.Raise() | ast.Assert(test=ast.Constant(value=False)):
            return False
        case ast.Expr(value=ast.Call(func=called)):
            return not _never_returns(_resolve(called, of))
        case ast.If():
            return _passes(statement.body, of) or _passes(statement.orelse, of)
        case ast.With():
            return _passes(statement.body, of)
        case ast.Match():
            return any(_passes(case.body, of) for case in statement.cases)
        case ast.For() | ast.While():
            is_endless = isinstance(statement, ast.While) and ast.unparse(statement.test) == "True"
            has_break = any(isinstance(each, ast.Break) for each in ast.walk(statement))
            return has_break or (not is_endless and _passes(statement.orelse, of))
        case ast.Try():
            handled = any(_passes(each.body, of) for each in statement.handlers)
            return _passes(statement.finalbody, of) and (handled or _passes([*statement.body, *statement.orelse], of))
        case _:
            return True


def _never_returns(called: object) -> bool:
    return getattr(called, "__annotations__", {}).get("return") in {Never, NoReturn, "Never", "NoReturn"}


# --- purity


def _impure_names(tree: ast.FunctionDef, of: FunctionType, seen: set[FunctionType]) -> Iterator[str]:
    """Yield what a function uses, itself or in functions of its module, that is another value at the next call."""
    for node in ast.walk(tree):
        used = _resolve(node, of)
        if _is_impure(used):
            yield ast.unparse(node)
        elif isinstance(used, FunctionType) and used.__module__ == of.__module__ and used not in seen:
            seen.add(used)
            if inner := _tree(used.__code__):
                yield from (f"{name} (in {used.__name__})" for name in _impure_names(inner, used, seen))


def _is_impure(thing: object) -> bool:
    name, owner = getattr(thing, "__name__", ""), getattr(thing, "__self__", None)
    if isinstance(owner, type):
        return issubclass(owner, date) and name in _CLASS_METHODS
    if not callable(thing) or isinstance(thing, type):
        return False
    is_plain = owner is None or isinstance(owner, ModuleType)
    module = getattr(thing, "__module__", "") if is_plain else type(owner).__module__
    return module in _CHANCE or name in _IMPURE.get(module, ())


def _resolve(node: ast.AST, of: FunctionType) -> object:
    """Return what a name of the module stands for in a function, None if it is a variable there, or anything else."""
    code = of.__code__
    match node:
        case ast.Attribute():
            inner = _resolve(node.value, of)
            is_open = isinstance(inner, ModuleType | type) or type(inner).__module__ in _CHANCE
            return getattr(inner, node.attr, None) if is_open else None
        case ast.Name() if node.id not in {*code.co_varnames, *code.co_cellvars, *code.co_freevars}:
            return of.__globals__.get(node.id)
        case _:
            return None
