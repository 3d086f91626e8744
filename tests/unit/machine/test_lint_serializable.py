"""The linter on data and items: they survive JSON as they are, and nothing in them is changed in place."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID

import pytest
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    NaiveDatetime,
    PrivateAttr,
    SecretStr,
    TypeAdapter,
    computed_field,
    create_model,
)
from typing_extensions import TypeAliasType, TypedDict

from saga_coordinator.sagas.language.lint.serializable import serialization_problems
from tests.support.saga_kit import Begun, Data
from tests.unit.machine._support.unsound import each, problems_of, problems_with, takes

FROZEN = ConfigDict(frozen=True)
T = TypeVar("T")
Name = NewType("Name", str)
Rate = NewType("Rate", float)
Many = TypeAliasType("Many", "tuple[Many, ...] | int")


class Colour(StrEnum):
    RED = "red"


class Cat(BaseModel):
    model_config = FROZEN

    kind: Literal["cat"] = "cat"
    kittens: "tuple[Cat, ...]" = ()


class Dog(BaseModel):
    model_config = FROZEN

    kind: Literal["dog"] = "dog"


class Changing(BaseModel):
    name: str


class Finite(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    rate: float


@dataclass(frozen=True)
class Point:
    x: int
    at: "Point | None" = None


@dataclass
class Movable:
    x: int


class Pair(NamedTuple):
    left: int
    right: str


class Loose(NamedTuple):
    left: Any


class Record(TypedDict):
    x: int


STORABLE: tuple[Any, ...] = (
    str, int, bool, Decimal, UUID, date, AwareDatetime, timedelta, Colour, PurePosixPath, Name, Many, Cat, Point, Pair,
    Finite, JsonValue, FiniteFloat, int | None, Decimal | None, int | FiniteFloat, Literal["a", 1] | Decimal,
    tuple[str, ...], tuple[int, str], tuple[FiniteFloat, ...], Cat | tuple[int, ...],
    Mapping[str, int], Mapping[UUID, Cat], Mapping[int, str], Mapping[Literal["a", "b"], str],
    Mapping[Annotated[str, Field(min_length=1)], str],
    Annotated[float, Field(allow_inf_nan=False)], Annotated[Cat | Dog, Field(discriminator="kind")],
)  # fmt: skip

LOST: dict[Any, str] = {
    float: "may be nan or infinite, which JSON cannot say: declare it pydantic.FiniteFloat",
    Rate: "may be nan or infinite, which JSON cannot say: declare it pydantic.FiniteFloat",
    tuple[float, ...]: "may be nan or infinite, which JSON cannot say: declare it pydantic.FiniteFloat",
    datetime: "may be a time without a zone, which is no moment: declare it pydantic.AwareDatetime",
    NaiveDatetime: "may be a time without a zone, which is no moment: declare it pydantic.AwareDatetime",
    bytes: "is bytes, for which JSON has no word: keep it as text, such as base64",
    SecretStr: "is a SecretStr, of which JSON keeps nothing but stars: keep a reference to it",
    set[str]: "is a set, which has no order that JSON could keep: declare it a tuple",
    frozenset[str]: "is a frozenset, which has no order that JSON could keep: declare it a tuple",
    Iterable[str]: "is a Iterable, which has no order that JSON could keep: declare it a tuple",
    list[str]: "is a list, which can be changed in place: declare it a tuple",
    deque[str]: "is a deque, which can be changed in place: declare it a tuple",
    Sequence[str]: "is a Sequence, which can be changed in place: declare it a tuple",
    dict[str, int]: "is a dict, which can be changed in place: declare it a Mapping or a frozen model",
    Record: "is a Record, which can be changed in place: declare it a Mapping or a frozen model",
    Changing: "is a Changing, which can be changed in place: declare its model frozen",
    tuple[Changing, ...]: "is a Changing, which can be changed in place: declare its model frozen",
    Movable: "is a Movable, which can be changed in place: declare it frozen",
    Any: "may be anything, and is read back as something else: say which type it is",
    object: "may be anything, and is read back as something else: say which type it is",
    T: "may be anything, and is read back as something else: say which type it is",
    tuple: "may be anything, and is read back as something else: say which type it is",
    Loose: "may be anything, and is read back as something else: say which type it is",
    Mapping[tuple[int, int], str]: "has keys of tuple[int, int], and in JSON a key is text: let them be str",
    Mapping[Pair, str]: "has keys of Pair, and in JSON a key is text: let them be str",
    date | str: "is date or str, which look alike in JSON: let it be one of them, or models with a discriminator",
    AwareDatetime | str: (
        "is AwareDatetime or str, which look alike in JSON: let it be one of them, or models with a discriminator"
    ),
    Colour | str: "is Colour or str, which look alike in JSON: let it be one of them, or models with a discriminator",
    Cat | Dog: "is Cat or Dog, which look alike in JSON: let it be one of them, or models with a discriminator",
    tuple[int, ...] | Pair: (
        "is tuple[int, ...] or Pair, which look alike in JSON: let it be one of them, or models with a discriminator"
    ),
}


def holding(kind: Any) -> type[BaseModel]:  # noqa: ANN401  a type
    """A frozen model with one field of a type."""
    return create_model("Holding", __config__=FROZEN, held=(kind, ...))


def problems_of_data(model: type[BaseModel]) -> tuple[str, ...]:
    """What the linter says of a saga with these data, its functions being annotated for them."""
    return tuple(each for each in problems_with(begin=takes(Begun, makes=model)) if each.startswith("the data "))


@pytest.mark.parametrize("kind", STORABLE, ids=str)
def test_data_that_survive_json_are_accepted(kind: Any) -> None:  # noqa: ANN401  a type
    assert serialization_problems(kind, "it") == []
    assert serialization_problems(holding(kind), "it") == []


@pytest.mark.parametrize("kind", LOST, ids=str)
def test_data_that_do_not_survive_json_or_can_be_changed_are_refused(kind: Any) -> None:  # noqa: ANN401  a type
    assert problems_of_data(holding(kind)) == (f"the data Holding.held {LOST[kind]}",)


def test_data_that_can_be_changed_in_place_are_refused() -> None:
    assert problems_of_data(Changing) == ("the data Changing can be changed in place: declare its model frozen",)


def test_what_is_wrong_deep_within_is_named_by_its_place() -> None:
    rated = holding(float)
    listed: Any = tuple[rated, ...]  # type: ignore[valid-type]  # a type that is made here
    outer = create_model("Outer", __config__=FROZEN, inner=(listed, ...))

    assert problems_of_data(outer) == (
        "the data Outer.inner.held may be nan or infinite, which JSON cannot say: declare it pydantic.FiniteFloat",
    )


def test_what_no_json_can_be_made_of_is_refused() -> None:
    message = problems_of_data(holding(Callable[[], None]))

    assert message == (
        "the data Holding does not survive JSON: Cannot generate a JsonSchema for core_schema.CallableSchema",
    )


def test_a_field_that_json_leaves_out_is_refused() -> None:
    class Forgetful(BaseModel):
        model_config = FROZEN

        kept: int
        left_out: int = Field(default=0, exclude=True)
        _hidden: int = PrivateAttr(default=0)

    assert problems_of_data(Forgetful) == (
        "the data Forgetful._hidden is private, and forgotten at the first save: make it a field",
        "the data Forgetful.left_out is excluded from JSON, and forgotten at the first save: remove exclude",
    )


def test_a_field_that_is_read_under_another_name_than_it_is_written_is_refused() -> None:
    class Renamed(BaseModel):
        model_config = FROZEN

        number: int = Field(alias="no")

    class ByName(Renamed):
        model_config = ConfigDict(frozen=True, validate_by_name=True)

    assert problems_of_data(Renamed) == (
        (
            "the data Renamed.number is written under its name and read under an alias: "
            "remove the alias, or let the model validate_by_name"
        ),
    )
    assert serialization_problems(ByName, "it") == []
    assert TypeAdapter(ByName).validate_json(ByName(number=1).model_dump_json()) == ByName(number=1)


@pytest.mark.parametrize("extra", ["forbid", "allow"])
def test_a_computed_field_that_would_be_read_back_as_another_is_refused(extra: Literal["forbid", "allow"]) -> None:
    class Counting(BaseModel):
        model_config = ConfigDict(frozen=True, extra=extra)

        name: str

        @computed_field  # type: ignore[prop-decorator]  # as pydantic's manual has it
        @property
        def length(self) -> int:
            return len(self.name)

    class Ignoring(Counting):
        model_config = ConfigDict(frozen=True, extra="ignore")

    assert problems_of_data(Counting) == (
        "the data Counting has computed fields, which are written and not read: let the model ignore extras",
    )
    assert serialization_problems(Ignoring, "it") == []
    assert Ignoring.model_validate_json(Ignoring(name="ada").model_dump_json()) == Ignoring(name="ada")


def test_a_type_that_stands_for_itself_is_looked_at_once() -> None:
    class Tree:
        """Stands for itself, as `type Tree = tuple[Tree, ...] | float` does."""

        __value__: Any

    Tree.__value__ = tuple[Tree, ...] | float

    assert serialization_problems(Tree, "it") == [
        "it may be nan or infinite, which JSON cannot say: declare it pydantic.FiniteFloat"
    ]


def test_a_type_that_cannot_be_read_is_refused() -> None:
    @dataclass(frozen=True)
    class Vague:
        held: "Vanished"  # type: ignore[name-defined]  # noqa: F821  that is the fault

    class Vaguer(NamedTuple):
        held: "Vanished"  # type: ignore[name-defined]  # noqa: F821  that is the fault

    class Open(BaseModel):
        model_config = FROZEN

        held: "Vanished"  # type: ignore[name-defined]  # noqa: F821  that is the fault

    message = "name 'Vanished' is not defined; import it where the saga is declared, at run time"
    assert serialization_problems(Vague, "it") == [f"it: {message}"]
    assert serialization_problems(Vaguer, "it")[0] == f"it: {message}"
    assert serialization_problems(Open, "it")[0].startswith("it does not survive JSON: ")


def test_items_survive_json_too() -> None:
    listed = {"items": takes(Data, makes=tuple[float, ...]), "key": takes(float, makes=str)}
    message = "for_each a: its item may be nan or infinite, which JSON cannot say: declare it pydantic.FiniteFloat"

    assert message in problems_of(each(**listed))
    assert problems_of(each(items=takes(Data, makes=tuple[Changing, ...]), key=takes(Changing, makes=str)))[0] == (
        "for_each a: its item can be changed in place: declare its model frozen"
    )
