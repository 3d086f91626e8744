"""Data are what JSON gives back from the first moment on: a restart in between changes no decision (I3)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, field_validator

from saga_coordinator.sagas import Saga, delay, pivot, receive, step
from saga_coordinator.sagas.language.data import DataReader
from saga_coordinator.sagas.machine import freeze, thaw
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import (
    Begun,
    Data,
    Did,
    Paid,
    begin,
    command,
    compensatable,
    finished,
    key,
    makes,
    payer,
    saga,
    unwound,
)

BERLIN = ZoneInfo("Europe/Berlin")


class Colour(StrEnum):
    RED = "red"


class Room(BaseModel):
    model_config = ConfigDict(frozen=True)

    number: int = 1


class Stay(Data):
    check_in: AwareDatetime = datetime(2026, 3, 28, 15, tzinfo=UTC)
    word: str = ""
    note: str | None = None
    nights: int = 1
    price: Decimal = Decimal("1.10")
    share: FiniteFloat = 0.5
    length: timedelta = timedelta(hours=1)
    room: Room = Room()
    rooms: tuple[Room, ...] = ()
    by_name: Mapping[str, Room] = {}
    level: Annotated[str, Field(max_length=3)] = "abc"


class PricedStay(Stay):
    @cached_property
    def total(self) -> Decimal:
        return self.price * self.nights


STAY = Stay(key="k-1", coins=0)
READER = DataReader("hotel", Stay)


def changed(_: Stay) -> Stay:
    """Stands for a function of a saga."""
    raise AssertionError("it is only named")


def accepted(**update: object) -> Stay:
    return READER.accept(STAY.model_copy(update=update), STAY, changed)


def checked_in(event: Begun) -> Stay:
    """The data of a stay that begins on the day before the clock is put forward."""
    return Stay(key=event.key, coins=0, check_in=datetime(2026, 3, 28, 15, tzinfo=BERLIN))


def next_day(data: Stay) -> datetime:
    return data.check_in + timedelta(days=1)


def test_a_delay_over_a_change_of_the_clock_ends_at_the_same_time_with_and_without_a_restart() -> None:
    hotel: Saga[Begun, Stay] = Saga(
        name="hotel",
        version=1,
        starts_on=Begun,
        correlate=key,
        begin=checked_in,
        steps=(delay("stay", until=next_day), pivot("send-ticket", makes(command("ticket")))),
        on_completed=finished,
        on_compensated=unwound,
    )
    story = given(hotel, Begun())
    one = story.instance
    again = thaw(hotel, one.id, one.key, freeze(one))

    assert one.waits["stay"].due_at == next_day(again.data)
    assert repr(one.data) == repr(again.data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("check_in", datetime(2026, 3, 28, 15, tzinfo=BERLIN)),
        ("check_in", datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)),
        ("word", Colour.RED),
        ("word", "ü"),
        ("note", Colour.RED),
        ("nights", True),
        ("nights", 10**30),
        ("share", 5),
        ("share", -0.0),
        ("price", Decimal("1E+3")),
        ("price", Decimal("-0.00")),
        ("length", timedelta(days=-1, microseconds=3)),
        ("room", Room(number=7)),
        ("by_name", {"b": Room(), "a": Room()}),
    ],
)
def test_each_value_is_what_a_restart_would_make_of_it(name: str, value: object) -> None:
    data = accepted(**{name: value})

    stored = Stay.model_validate_json(data.model_dump_json())
    assert repr(stored) == repr(data)
    assert type(getattr(stored, name)) is type(getattr(data, name))


def test_a_change_of_texts_booleans_and_none_costs_no_look_at_json() -> None:
    plain = STAY.model_copy(update={"word": "x", "note": None})
    assert READER.accept(plain, STAY, changed) is plain
    assert READER.accept(STAY, STAY, changed) is STAY
    assert accepted(level="xyz") is not plain


@pytest.mark.parametrize(
    ("update", "problem"),
    [
        ({"wrod": "x"}, "saga hotel: changed sets wrod, which Stay does not have: did you mean word?"),
        ({"room": Room().model_copy(update={"nubmer": 1})}, "sets nubmer, which Room does not have: did you mean n"),
        ({"rooms": (Room().model_copy(update={"x": 1}),)}, "sets x, which Room does not have: it has number"),
        ({"by_name": {"a": Room().model_copy(update={"x": 1})}}, "sets x, which Room does not have: it has number"),
        ({"nights": "two"}, r"changed returns data that are no Stay: .*Expected `int`"),
        ({"nights": 1.5}, r"Expected `int`"),
        ({"price": 1.5}, r"Expected `decimal`"),
        ({"price": Decimal("NaN")}, "should be a finite number"),
        ({"share": float("nan")}, "returns data that are no Stay"),
        ({"rooms": [Room()]}, r"Expected `tuple"),
        ({"rooms": {1}}, r"Expected `tuple"),
        ({"word": None}, "word: Input should be a valid string"),
        ({"word": "caf\udce9"}, "returns data that are no Stay"),
        ({"level": "abcd"}, "should have at most 3 characters"),
    ],
)
def test_what_a_copy_does_not_check_is_refused_when_it_happens(update: Mapping[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        accepted(**update)


@pytest.mark.parametrize("returned", [None, Data(key="k-1", coins=0), "a text"])
def test_what_is_no_data_is_refused(returned: Any) -> None:  # noqa: ANN401  of any type
    with pytest.raises(ValueError, match=r"saga hotel: changed returns \w+: it must return Stay"):
        READER.accept(returned, STAY, changed)


class Counted(BaseModel):
    """A model whose validator changes the value each time."""

    model_config = ConfigDict(frozen=True)

    number: int

    @field_validator("number")
    @classmethod
    def count(cls, value: int) -> int:
        return value + 1


def test_data_that_change_at_each_reading_are_refused() -> None:
    with pytest.raises(ValueError, match="change at each reading"):
        DataReader("made", Counted).accept(Counted(number=1), None, changed)


class Shouted(BaseModel):
    """A model whose texts are changed when it is read."""

    model_config = ConfigDict(frozen=True, str_to_upper=True)

    word: str


def test_a_setting_that_changes_texts_applies_at_once() -> None:
    loud = Shouted(word="a")

    assert DataReader("made", Shouted).accept(loud.model_copy(update={"word": "b"}), loud, changed).word == "B"


def misspelt(data: Data, message: Did | Paid) -> Data:  # noqa: ARG001  the form of a `remember`
    return data.model_copy(update={"seeen": ()})


def begins_misspelt(event: Begun) -> Data:
    return begin(event).model_copy(update={"con": 1})


REFUSED = "saga made: misspelt sets seeen, which Data does not have: did you mean seen"


def test_the_function_of_a_step_is_named() -> None:
    whole = compensatable("a")
    story = given(saga(step("a", whole.send, remember=misspelt, compensate=whole.compensate)), Begun())
    with pytest.raises(ValueError, match=REFUSED):
        story.replies("a", Did())
    with pytest.raises(ValueError, match=REFUSED):
        story.skips("a", Did())


def test_the_function_of_a_receive_is_named() -> None:
    story = given(saga(receive("payment", Paid, key=payer, remember=misspelt)), Begun())
    with pytest.raises(ValueError, match=REFUSED):
        story.happens(Paid())
    with pytest.raises(ValueError, match=REFUSED):
        story.skips("payment", Paid())


def test_the_function_that_begins_is_named() -> None:
    with pytest.raises(ValueError, match="saga made: begins_misspelt sets con, which Data does not have: did you mean"):
        given(replace(saga(compensatable("a")), begin=begins_misspelt), Begun())


def test_what_a_model_has_computed_and_kept_is_no_wrong_name() -> None:
    stay = PricedStay(key="k-1", coins=0, nights=2)
    assert stay.total == Decimal("2.20")

    read = DataReader("hotel", PricedStay).accept(stay.model_copy(update={"rooms": (Room(number=7),)}), stay, changed)

    assert (read.rooms, read.total) == ((Room(number=7),), Decimal("2.20"))
