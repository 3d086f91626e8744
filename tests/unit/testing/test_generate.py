"""Messages are generated from their schema alone, always the same ones, and written as the Python that makes them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, field_validator

from saga_coordinator.contracts import Event
from saga_coordinator.contracts.messages.orders import OrderPlaced
from saga_coordinator.contracts.messages.payments import CardCharged
from saga_coordinator.sagas import receive
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.language.nodes import Receive
from saga_coordinator.sagas.testing.explorer.samples import gather, keyed
from saga_coordinator.sagas.testing.explorer.source import Source
from saga_coordinator.sagas.testing.generate.messages import generate, has_choices
from saga_coordinator.sagas.testing.generate.patterns import text_for
from tests.support.saga_kit import Data
from tests.unit.testing._support.sample_sagas import Paid, event


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str
    price: Decimal = Field(gt=0, max_digits=5, decimal_places=2)


class Everything(BaseModel):
    code: Annotated[str, Field(pattern=r"^(foo|bar)-[0-9]{3,5}x?\.[^a]$")]
    padded: Annotated[str, Field(min_length=20, max_length=30)]
    colour: Colour
    word: Literal["yes", "no"]
    id: UUID
    day: date
    at: datetime
    lasts: timedelta
    share: float = Field(gt=0, lt=1)
    fives: int = Field(multiple_of=5, ge=7)
    least: int = Field(ge=-10, le=-3)
    perhaps: int | None
    pair: tuple[int, str]
    parts: tuple[Part, ...] = Field(min_length=1, max_length=3)
    tags: dict[str, int]
    whatever: Any
    flag: bool


class Odd(BaseModel):
    code: str

    @field_validator("code")
    @classmethod
    def has_the_right_check_digit(cls, code: str) -> str:
        if code != "7992739871-3":
            raise ValueError("the check digit is wrong")
        return code


class Deep(Event):
    message_type = "made.deep.v1"
    topic = "made.events.v1"

    part: Part


def key_of_part(deep: Deep) -> str:
    return deep.part.name


@pytest.mark.parametrize("large", [False, True])
def test_a_message_with_every_kind_of_field_is_generated_and_always_the_same(*, large: bool) -> None:
    assert generate(Everything, large=large) == generate(Everything, large=large)


def test_a_large_message_has_the_other_values() -> None:
    small, large = generate(Everything), generate(Everything, large=True)
    assert (small.colour, small.word, small.flag, len(small.parts)) == (Colour.RED, "yes", False, 1)
    assert (large.colour, large.word, large.flag, len(large.parts)) == (Colour.BLUE, "no", True, 2)
    assert large.parts[0].name != large.parts[1].name


def test_what_a_validator_refuses_is_tried_in_another_form() -> None:
    assert generate(OrderPlaced).total == Decimal(1)
    assert generate(OrderPlaced, large=True).total == Decimal(1_000_000)


def test_what_no_schema_says_has_to_be_given() -> None:
    with pytest.raises(ValueError, match=r"no valid Odd .* \(code: Value error, .*\): give a sample of it"):
        generate(Odd)


def test_only_what_decides_something_is_answered_in_two_ways() -> None:
    assert has_choices(Everything)
    assert not has_choices(CardCharged)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("^[A-Z]{3}$", "AAA"), (r"^\d{4}-\d{2}$", "1111-11"), ("a|b", "a"), (r"^x[^x]y*$", "xa"), ("^[", None)],
)
def test_a_text_is_found_for_a_pattern(pattern: str, text: str | None) -> None:
    assert text_for(pattern, itemgetter(0)) == text


# --- samples


def test_given_messages_replace_generated_ones() -> None:
    charged = CardCharged(charge_id="ch-7")

    samples = gather(order_fulfilment, (charged,))

    assert samples.replies[CardCharged] == (charged,)
    assert samples.starts == (generate(OrderPlaced), generate(OrderPlaced, large=True))


def test_a_sample_that_the_saga_has_no_use_for_is_refused() -> None:
    with pytest.raises(ValueError, match="saga order-fulfilment has no use for the sample Paid"):
        gather(order_fulfilment, (Paid(key="k-1"),))


def test_an_event_gets_the_key_that_its_receive_expects() -> None:
    node = event.plan.receives[0]
    assert keyed(node, Paid(key="other", amount=3), "k-1") == Paid(key="k-1", amount=3)


def test_an_event_whose_key_is_in_no_field_has_to_be_given() -> None:
    node: Receive[Data] = receive("deep", Deep, key=key_of_part)
    with pytest.raises(ValueError, match="receive deep: give a sample of Deep whose key is 'k-1'"):
        keyed(node, generate(Deep), "k-1")


# --- source


@pytest.mark.parametrize(
    "value",
    [
        generate(Everything),
        generate(Everything, large=True),
        generate(OrderPlaced),
        timedelta(days=2),
        timedelta(seconds=90),
        timedelta(microseconds=5),
        timedelta(0),
        [1, "it's", 'a "word"', None],
        datetime(2026, 1, 1, tzinfo=UTC),
    ],
)
def test_what_is_written_makes_the_same_value(value: object) -> None:
    source = Source()
    text = source.value(value)
    names: dict[str, object] = {}
    exec(source.header(), names)  # noqa: S102  the imports that were written

    assert eval(text, names) == value  # noqa: S307  the source that was written
