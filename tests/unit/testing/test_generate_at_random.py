"""Messages that are generated at random are valid, and the same for the same seed."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Annotated, Literal, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from saga_coordinator.contracts.messages.orders import OrderPlaced
from saga_coordinator.sagas.testing.generate.messages import generate_at_random
from saga_coordinator.sagas.testing.generate.patterns import text_for
from saga_coordinator.service.simulation.resolved_model import key_field


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Tree(BaseModel):
    name: str
    branches: list["Tree"]
    parent: Optional["Tree"]


class Everything(BaseModel):
    text: Annotated[str, Field(min_length=3, max_length=5)]
    code: Annotated[str, Field(pattern=r"^(AB|CD)-[0-9]{3,5}[a-f]?$")]
    colour: Colour
    word: Literal["one", "two"]
    always: Literal[7]
    number: Annotated[int, Field(gt=3, lt=6)]
    even: Annotated[int, Field(ge=10, le=20, multiple_of=2)]
    large: Annotated[int, Field(ge=1_000_000)]
    real: Annotated[float, Field(ge=0.5, lt=1)]
    price: Decimal
    when: datetime
    day: date
    length: timedelta
    id: UUID
    flag: bool
    pair: tuple[int, str]
    tags: Annotated[list[str], Field(min_length=2, max_length=3)]
    perhaps: int | None
    either: int | str
    known: dict[str, int]
    nested: Tree
    left_out: str = "as it is"


@pytest.mark.parametrize("model", [Everything, OrderPlaced, Tree])
def test_what_is_generated_is_valid(model: type[BaseModel]) -> None:
    for seed in range(30):
        made = generate_at_random(model, Random(seed))
        assert model.model_validate_json(made.model_dump_json()) == made


def test_the_same_seed_gives_the_same_message_and_another_another() -> None:
    made = [generate_at_random(Everything, Random(seed)) for seed in (1, 1, 2)]

    assert made[0] == made[1] != made[2]
    assert made[0].left_out == "as it is"


def test_a_model_whose_schema_says_too_little_is_refused() -> None:
    class Secretive(BaseModel):
        code: Annotated[str, Field(pattern=r"^\p{Lu}$")]

    with pytest.raises(
        ValueError, match=r"no valid Secretive can be generated from its schema \(no text can be generated"
    ):
        generate_at_random(Secretive, Random(1))


@pytest.mark.parametrize(
    "pattern",
    [
        "^[A-Z]{2}$",
        r"^v[0-9]+(\.[0-9]+)*$",
        r"(?:a|bc)?x.y",
        r"\w\d\s-\.",
        r"^[a-c\-_]{2,}$",
        "^a{3}$",
        "[^a]",
        r"\bword",
    ],
)
def test_text_for_a_pattern_matches_it(pattern: str) -> None:
    for seed in range(20):
        assert re.search(pattern, text_for(pattern, Random(seed).choice) or "")


@pytest.mark.parametrize("pattern", ["(?=a)b", "a**", "(a", "[a", "a)"])
def test_a_pattern_that_is_not_supported_has_no_text(pattern: str) -> None:
    assert text_for(pattern, Random(1).choice) is None


def test_the_field_that_the_key_is_is_found_by_trying() -> None:
    placed = generate_at_random(OrderPlaced, Random(1))

    assert key_field(placed, lambda event: str(event.order_id)) == "order_id"
    assert key_field(placed, lambda event: f"{event.order_id}/{event.customer_id}") is None
    assert key_field(placed, lambda event: str(event.currency)) is None
