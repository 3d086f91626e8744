"""The arguments of a definition: each is of the kind that its annotation says, for authors without a type checker."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from functools import cache
from types import UnionType
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from saga_coordinator.sagas.language.declaration import Declaration
from saga_coordinator.sagas.language.lint.serializable import name_of
from saga_coordinator.sagas.language.nodes import D, ForEach, Parallel, Series, walk
from saga_coordinator.sagas.language.retry import Retry

_CALLABLE: Final = get_origin(Callable[..., Any])
_WORDS: Final[Mapping[Any, str]] = {
    _CALLABLE: "a function",
    type: "one class",
    timedelta: "a timedelta",
    Retry: "a Retry",
    bool: "True or False",
    str: "a text",
    int: "a whole number",
    float: "a number",
    type(None): "None",
}
"""The kinds that are checked. What else stands in an annotation is checked elsewhere."""


def argument_problems(saga: Declaration[D]) -> Iterator[str]:
    """Yield each argument of another kind, so that nothing more can be checked. The tree must be one of nodes."""
    yield from _of("it", saga)
    for node in walk(saga.steps):
        if isinstance(node, Series | Parallel):
            continue
        where = f"{'for_each' if isinstance(node, ForEach) else type(node).__name__.lower()} {node.name}"
        yield from _of(where, node)
        if isinstance(node, ForEach):
            yield from _of(where, node.step)
        step = node.step if isinstance(node, ForEach) else node
        for name in ("retry", "compensate_retry"):
            if isinstance(retry := getattr(step, name, None), Retry):
                yield from _of(f"{where}: {name}", retry)


def _of(where: str, thing: Any) -> Iterator[str]:  # noqa: ANN401  a dataclass of this language
    for name, kinds in _kinds_of(cast("Hashable", type(thing))).items():
        value = getattr(thing, name)
        if kinds and not any(_is(value, kind) for kind in kinds):
            wanted = " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)
            shown = name_of(value) if isinstance(value, type) or get_args(value) else repr(value)
            yield f"{where} has {name}={shown}, which is not {wanted}: {_remedy(value, kinds)}"


@cache
def _kinds_of(declared: Hashable) -> Mapping[str, tuple[Any, ...]]:
    """Return of which kinds each argument may be; none where a kind is not checked here."""
    hints = get_type_hints(declared)
    found = {each.name: tuple(dict.fromkeys(_kinds(hints[each.name]))) for each in fields(cast("Any", declared))}
    return {name: kinds if all(kind in _WORDS for kind in kinds) else () for name, kinds in found.items()}


def _kinds(hint: Any) -> Iterator[Any]:  # noqa: ANN401  types as values
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        for each in get_args(hint):
            yield from _kinds(each)
    else:
        yield origin or hint


def _is(value: object, kind: Any) -> bool:  # noqa: ANN401  a type
    if kind is _CALLABLE:
        return callable(value)
    if kind in {int, float}:
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _remedy(value: object, kinds: tuple[Any, ...]) -> str:
    is_number = isinstance(value, int | float)
    if timedelta in kinds and is_number:
        return f"write timedelta(seconds={value})"
    if Retry in kinds and is_number:
        return f"write Retry(attempts={value})"
    if type in kinds and not isinstance(value, type) and isinstance(value, BaseModel):
        return f"give it the class itself, {type(value).__name__}"
    return f"give it {_WORDS[kinds[0]]}"
