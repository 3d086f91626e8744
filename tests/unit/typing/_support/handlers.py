"""The handlers of a participant as the type checker sees them. Checked and never run."""

from typing import assert_type

from saga_coordinator.contracts import Done, Failure
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.contracts.messages.payments import CardCharged
from saga_coordinator.service.participant.declaration import (
    Original,
    Participant,
    TransactionalHandler,
    transactional,
)
from saga_coordinator.service.participant.sqlite import SqliteSession


async def reserve(command: ReserveStock, session: SqliteSession) -> StockReserved | Failure:
    raise NotImplementedError(command, session)


async def reserve_always(command: ReserveStock, session: SqliteSession) -> StockReserved:
    raise NotImplementedError(command, session)


async def charge(command: ReserveStock, session: SqliteSession) -> CardCharged:
    raise NotImplementedError(command, session)


async def release(command: ReleaseStock, original: Original[StockReserved], session: SqliteSession) -> Done:
    raise NotImplementedError(command, original, session)


async def refund(command: ReleaseStock, original: Original[CardCharged], session: SqliteSession) -> Done:
    raise NotImplementedError(command, original, session)


assert_type(transactional(ReserveStock, reserve), TransactionalHandler[SqliteSession])
assert_type(transactional(ReserveStock, reserve_always), TransactionalHandler[SqliteSession])
assert_type(
    Participant(
        "inventory",
        transactional(ReserveStock, reserve),
        transactional(ReleaseStock, release, compensates=ReserveStock),
    ),
    Participant[SqliteSession],
)

transactional(ReserveStock, charge)  # type: ignore[arg-type]  # it replies something else
transactional(ReleaseStock, release)  # type: ignore[arg-type]  # what does it compensate?
transactional(ReserveStock, reserve, compensates=ReserveStock)  # type: ignore[arg-type]  # its reply is no Done
transactional(ReleaseStock, refund, compensates=ReserveStock)  # type: ignore[arg-type]  # another reply was given
