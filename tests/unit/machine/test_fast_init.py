"""A dataclass with the quick constructor is the dataclass that it was."""

import inspect
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from saga_coordinator.sagas.language.fast_init import fast_init


@dataclass(frozen=True, slots=True)
class Plain:
    first: int
    second: str = "two"
    listed: list[int] = field(default_factory=list)
    named: bool = field(default=False, kw_only=True)


@fast_init
@dataclass(frozen=True, slots=True)
class Quick:
    first: int
    second: str = "two"
    listed: list[int] = field(default_factory=list)
    named: bool = field(default=False, kw_only=True)


def shape(value: Plain | Quick) -> tuple[int, str, list[int], bool]:
    return value.first, value.second, value.listed, value.named


def test_it_takes_the_same_arguments() -> None:
    def parameters(kind: type) -> list[tuple[str, object]]:
        return [(each.name, each.kind) for each in inspect.signature(kind).parameters.values()]

    assert parameters(Quick) == parameters(Plain)


def test_it_makes_the_same_values() -> None:
    assert shape(Quick(1)) == shape(Plain(1)) == (1, "two", [], False)
    assert shape(Quick(1, "2", [3], named=True)) == shape(Plain(1, "2", [3], named=True)) == (1, "2", [3], True)
    assert Quick(1) == Quick(1, "two", []) != Quick(2)


def test_a_default_factory_is_called_each_time() -> None:
    assert Quick(1).listed is not Quick(1).listed


@pytest.mark.parametrize("arguments", [{}, {"first": 1, "third": 3}])
def test_it_refuses_the_same_arguments(arguments: dict[str, int]) -> None:
    for kind in (Plain, Quick):
        with pytest.raises(TypeError):
            kind(**arguments)  # type: ignore[arg-type]  # that is what is refused


def test_it_is_as_frozen() -> None:
    value = Quick(1)
    with pytest.raises(FrozenInstanceError):
        value.first = 2  # type: ignore[misc]  # that is what is refused
    assert replace(value, first=2) == Quick(2)
    assert value == Quick(1)


def test_a_class_that_does_more_when_it_is_made_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        first: int

        def __post_init__(self) -> None:
            raise AssertionError

    @dataclass(frozen=True, slots=True)
    class Partly:
        first: int = field(init=False)

    for kind in (Checked, Partly):
        with pytest.raises(TypeError, match="leave @quick away"):
            fast_init(kind)
