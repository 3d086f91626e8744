"""Finds a pattern in the syntax tree of one function, and puts another piece of code in its place.

A pattern is Python source. `$name` stands for any expression, or for any name of an attribute, argument or keyword;
the same `$name` stands for equal things. `...` as a statement or an argument stands for any number of them (in a call:
of positional arguments, and all keywords that the pattern does not name). What they stood for is put where the
replacement has them. So a pattern names only what the fault is about: whatever else is renamed, moved or formatted, it
still fits.
"""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ANY = "any__"
"""What `$` becomes, so that Python can parse a pattern."""


class Place(NamedTuple):
    """Where in the tree something stands: a field of a node, or a run of a field that is a list."""

    parent: ast.AST
    field: str
    start: int | None
    end: int | None = None

    def put(self, nodes: list[ast.AST]) -> None:
        """Put other nodes in this place."""
        if self.start is None:
            [only] = nodes
            setattr(self.parent, self.field, only)
        else:
            siblings = getattr(self.parent, self.field)
            siblings[self.start : self.end] = nodes
            if not siblings and self.field == "body":
                siblings.append(ast.Pass())


@dataclass
class Bindings:
    """What the names and ellipses of a pattern stand for."""

    names: dict[str, Any] = field(default_factory=dict)
    runs: list[list[Any]] = field(default_factory=list)

    def bind(self, name: str, value: Any) -> bool:  # noqa: ANN401  a node or the name of an attribute
        """Bind a name, unless it stands for something else already."""
        if name in self.names:
            return _source(self.names[name]) == _source(value)
        self.names[name] = value
        return True


def replace(scope: ast.AST, pattern: str, replacement: str) -> int:
    """Replace the pattern within the scope if it is there exactly once; return how often it is there."""
    found = list(_find(scope, pattern, replacement))
    if len(found) == 1:
        place, bindings = found[0]
        parsed, filling = _parse(replacement), _Filling(bindings)
        place.put([filling.visit(node) for node in (parsed if _is_run(place) else [_expression(parsed)])])
    return len(found)


def replace_text(scope: ast.AST, old: str, new: str) -> int:
    """As `replace`, with a piece of a string literal; any whitespace in `old` stands for any other."""
    wanted = re.compile(r"\s+".join(map(re.escape, re.split(r"\s+", old))))
    found = [
        node
        for node in ast.walk(scope)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and wanted.search(node.value)
    ]
    count = sum(len(wanted.findall(str(node.value))) for node in found)
    if count == 1:
        found[0].value = wanted.sub(lambda _: new, str(found[0].value))
    return count


def _parse(source: str) -> list[ast.stmt]:
    return ast.parse(re.sub(r"\$(\w+)", rf"{ANY}\1", source)).body


def _find(scope: ast.AST, pattern: str, replacement: str) -> Iterator[tuple[Place, Bindings]]:
    wanted = _parse(pattern)
    new = _parse(replacement)
    if _is_expression(wanted) and _is_expression(new):
        yield from _find_expression(scope, _expression(wanted))
    else:
        yield from _find_statements(scope, wanted)


def _find_expression(scope: ast.AST, wanted: ast.expr) -> Iterator[tuple[Place, Bindings]]:
    for parent in ast.walk(scope):
        for name, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else ((None, value),):
                bindings = Bindings()
                if isinstance(node, ast.expr) and _match(wanted, node, bindings):
                    yield Place(parent, name, index, None if index is None else index + 1), bindings


def _find_statements(scope: ast.AST, wanted: list[ast.stmt]) -> Iterator[tuple[Place, Bindings]]:
    for parent in ast.walk(scope):
        for name, value in ast.iter_fields(parent):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                for start in range(len(value) - len(wanted) + 1):
                    end = start + len(wanted)
                    bindings = Bindings()
                    if _match(wanted, value[start:end], bindings):
                        yield Place(parent, name, start, end), bindings


def _match(wanted: Any, node: Any, bindings: Bindings) -> bool:  # noqa: ANN401  the fields of nodes are of any type
    if isinstance(wanted, ast.Name) and wanted.id.startswith(ANY):
        return isinstance(node, ast.expr) and bindings.bind(wanted.id, node)
    if isinstance(wanted, ast.Call) and isinstance(node, ast.Call) and any(map(_is_ellipsis, wanted.args)):
        return _match(wanted.func, node.func, bindings) and _match_open_call(wanted, node, bindings)
    if isinstance(wanted, ast.AST):
        return type(wanted) is type(node) and all(
            _match(value, getattr(node, name), bindings)
            for name, value in ast.iter_fields(wanted)
            if name not in {"ctx", "kind", "type_comment"}
        )
    if isinstance(wanted, list):
        return isinstance(node, list) and _match_list(wanted, node, bindings)
    if isinstance(wanted, str) and wanted.startswith(ANY):
        return isinstance(node, str) and bindings.bind(wanted, node)
    return type(wanted) is type(node) and bool(wanted == node)


def _match_list(wanted: list[Any], nodes: list[Any], bindings: Bindings) -> bool:
    at = next((index for index, each in enumerate(wanted) if _is_ellipsis(each)), None)
    if at is None:
        return len(wanted) == len(nodes) and all(_match(*pair, bindings) for pair in zip(wanted, nodes, strict=True))
    after = len(wanted) - at - 1
    if len(nodes) < at + after:
        return False
    bindings.runs.append(nodes[at : len(nodes) - after])
    return _match_list(wanted[:at], nodes[:at], bindings) and _match_list(
        wanted[at + 1 :], nodes[len(nodes) - after :], bindings
    )


def _match_open_call(wanted: ast.Call, node: ast.Call, bindings: Bindings) -> bool:
    keywords = {each.arg: each for each in node.keywords}
    named = [(each, keywords.pop(each.arg, None)) for each in wanted.keywords]
    if not _match_list(wanted.args, node.args, bindings):
        return False
    bindings.runs.append(list(keywords.values()))
    return all(_match(each, found, bindings) for each, found in named)


class _Filling(ast.NodeTransformer):
    def __init__(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._runs = iter(bindings.runs)

    def visit(self, node: ast.AST) -> Any:  # noqa: ANN401  as the base class
        if isinstance(node, ast.Name) and node.id.startswith(ANY):
            return copy.deepcopy(self._bindings.names[node.id])  # KeyError: the pattern has no such name
        open_call = node if isinstance(node, ast.Call) and any(map(_is_ellipsis, node.args)) else None
        for name, value in ast.iter_fields(node):
            if isinstance(value, str) and value.startswith(ANY):
                setattr(node, name, self._bindings.names[value])
            elif isinstance(value, list):
                at = next((index for index, each in enumerate(value) if _is_ellipsis(each)), None)
                if at is not None:
                    value[at : at + 1] = copy.deepcopy(next(self._runs))
        if open_call:
            open_call.keywords.extend(copy.deepcopy(next(self._runs)))
        return self.generic_visit(node)


def _is_run(place: Place) -> bool:
    return place.start is not None and isinstance(getattr(place.parent, place.field)[place.start], ast.stmt)


def _is_expression(parsed: list[ast.stmt]) -> bool:
    return len(parsed) == 1 and isinstance(parsed[0], ast.Expr)


def _expression(parsed: list[ast.stmt]) -> ast.expr:
    [only] = parsed
    assert isinstance(only, ast.Expr)
    return only.value


def _is_ellipsis(node: object) -> bool:
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.Constant) and value.value is ...


def _source(value: Any) -> str:  # noqa: ANN401  a node or the name of an attribute
    return value if isinstance(value, str) else ast.unparse(value)
