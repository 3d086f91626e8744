"""A participant that cannot work is refused when it is declared, with what to change."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from saga_coordinator.contracts import Command, Done, Reply
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.service.participant.declaration import (
    Original,
    Participant,
    TransactionalHandler,
    transactional,
)


async def reserve(command: ReserveStock, session: object) -> StockReserved:
    raise NotImplementedError


async def release(command: ReleaseStock, original: Original[StockReserved], session: object) -> Done:
    raise NotImplementedError


async def of_another_command(command: ReleaseStock, session: object) -> StockReserved:
    raise NotImplementedError


RESERVE = transactional(ReserveStock, reserve)
RELEASE = transactional(ReleaseStock, release, compensates=ReserveStock)


def handler(
    command: type[Command[Any]],
    function: Callable[..., Awaitable[Reply]],
    compensates: type[Command[Any]] | None = None,
) -> TransactionalHandler[object]:
    """What the type checker would refuse."""
    return TransactionalHandler(command, function, compensates)


def test_a_participant_consumes_the_topics_of_its_commands() -> None:
    assert Participant("inventory", RESERVE, RELEASE).topics == {"inventory.commands.v1"}


@pytest.mark.parametrize(
    ("name", "handlers", "problem"),
    [
        ("Inventory", [RESERVE], "kebab-case"),
        ("inventory", [], "no handler"),
        ("inventory", [RESERVE, RESERVE], "two handlers"),
        ("inventory", [RELEASE], "only the participant that has executed"),
        ("inventory", [handler(ReserveStock, of_another_command)], "annotate the first parameter of of_another"),
        ("inventory", [RESERVE, handler(ReleaseStock, release)], "has 3 parameters"),
        ("inventory", [handler(ReserveStock, release, ReserveStock)], "the reply of a compensation is Done"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(
    name: str, handlers: list[TransactionalHandler[object]], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Participant(name, *handlers)
