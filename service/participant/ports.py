"""What the kit needs from a database: the fence's rows and the outbox, in the transaction of the handler."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from saga_coordinator.service.participant.fence import Admission, StoredReply
from saga_coordinator.service.participant.records import OutgoingRecord
from saga_coordinator.service.participant.wire import IncomingCommand

SessionT_co = TypeVar("SessionT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of the admitted command: what is stored and sent. Without `keeps_effect` its handler changed nothing.

    `undone` is the id of the command that it has compensated.
    """

    reply: StoredReply
    outgoing: OutgoingRecord
    keeps_effect: bool = False
    undone: str | None = None


class FenceTransaction(Protocol[SessionT_co]):
    """An open transaction. Between `admit` and `settle` or `withdraw` of one command no other is admitted.

    Its methods raise the database's own errors; then nothing of the transaction is committed.
    """

    @property
    def session(self) -> SessionT_co:
        """What the handler of the admitted command gets."""

    async def admit(self, command: IncomingCommand[Any]) -> Admission:
        """Block the command's original if it never came, store the command if it is new, and return what was there."""

    async def settle(self, settlement: Settlement) -> None:
        """End the admitted command."""

    async def withdraw(self) -> None:
        """Undo all since `admit`, as if the command had not come."""

    async def send(self, outgoing: OutgoingRecord) -> None:
        """Write a record to the outbox."""


class FenceDatabase(Protocol[SessionT_co]):
    """The database of a participant."""

    def transaction(self) -> AbstractAsyncContextManager[FenceTransaction[SessionT_co]]:
        """Return a transaction: committed at the end of the block, rolled back if it raises."""

    async def outbox(self, limit: int) -> Sequence[tuple[int, OutgoingRecord]]:
        """Return the oldest records that are to be published, in their order, each with its number."""

    async def forget(self, numbers: Sequence[int]) -> None:
        """Remove records that were published."""

    def is_unavailable(self, error: Exception) -> bool:
        """Return whether this error is the database's, so that the same call can succeed later."""
