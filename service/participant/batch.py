"""Carries out the commands of one poll in one transaction: fence, handler, reply."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from saga_coordinator.contracts import Command, Done, Failure, Reply
from saga_coordinator.service.participant import wire
from saga_coordinator.service.participant.declaration import Original, Participant
from saga_coordinator.service.participant.fence import (
    Execute,
    FenceRow,
    Mismatch,
    NothingToUndo,
    RefuseUndone,
    Resend,
    StoredReply,
    decide,
    stored,
)
from saga_coordinator.service.participant.ports import FenceDatabase, FenceTransaction, Settlement
from saga_coordinator.service.participant.wire import IncomingCommand, UnreadableRecord

SessionT = TypeVar("SessionT")

MAX_ATTEMPTS: Final = 3
"""So often a handler that raises is called; then its command fails."""

MAX_REPLY_BYTES: Final = 900_000
"""A larger reply fails its command: by default Kafka accepts records of 1 MiB."""

_UNDONE: Final = stored(Failure(code="undone", message="its compensation came first", retryable=False))
_DONE: Final = stored(Done())

_log = logging.getLogger(__name__)


class Batch(Generic[SessionT]):
    """Carries out commands of one participant on its database."""

    def __init__(self, participant: Participant[SessionT], database: FenceDatabase[SessionT]) -> None:
        self._participant = participant
        self._database = database

    async def execute(
        self, arrivals: Sequence[IncomingCommand[SessionT] | UnreadableRecord]
    ) -> Sequence[IncomingCommand[SessionT]]:
        """Carry out commands in their order, and commit. Return those to carry out again before all later ones.

        These are the commands whose handlers have raised, and those behind them in the same order. Raises the
        database's error if it is unavailable: nothing was done then, and all of the batch is to be repeated.
        """
        postponed: dict[bytes, list[IncomingCommand[SessionT]]] = {}
        async with self._database.transaction() as fence:
            for each in arrivals:
                if isinstance(each, UnreadableRecord):
                    await fence.send(wire.dead_letter(each.record, each.cause))
                elif each.order in postponed:
                    postponed[each.order].append(each)
                elif not await self._carry_out(fence, each):
                    postponed[each.order] = [replace(each, attempts=each.attempts + 1)]
        return [each for waiting in postponed.values() for each in waiting]

    async def _carry_out(self, fence: FenceTransaction[SessionT], command: IncomingCommand[SessionT]) -> bool:
        """Carry out one command. False: its handler has raised, and nothing of it is stored."""
        admission = await fence.admit(command)
        undoes = command.handler.compensates
        match decide(admission, command.fingerprint, None if undoes is None else undoes.message_type):
            case Execute(original):
                return await self._execute(fence, command, original)
            case NothingToUndo():
                await fence.settle(self._settlement(command, _DONE))
            case RefuseUndone():
                await fence.settle(self._settlement(command, _UNDONE))
            case Resend(reply):
                await fence.withdraw()
                await fence.send(wire.reply_record(self._participant.name, command, reply, _now()))
            case Mismatch(cause):
                await fence.withdraw()
                await fence.send(wire.dead_letter(command.record, cause))
        return True

    async def _execute(
        self, fence: FenceTransaction[SessionT], command: IncomingCommand[SessionT], original: FenceRow | None
    ) -> bool:
        try:
            message = command.read()
        except ValueError as error:
            await fence.settle(self._settlement(command, _not_understood(error)))
            return True
        try:
            reply = await self._call(fence, command, message, original)
        except Exception as error:
            if self._database.is_unavailable(error):
                raise
            return await self._on_raised(fence, command, error)
        answer = _fitting(stored(reply))
        succeeded = not answer.is_failure
        undone = command.envelope.compensates if succeeded else None
        await fence.settle(self._settlement(command, answer, keeps_effect=succeeded, undone=undone))
        return True

    async def _call(
        self,
        fence: FenceTransaction[SessionT],
        command: IncomingCommand[SessionT],
        message: Command[Any],
        original: FenceRow | None,
    ) -> Reply:
        """Call the handler. Raises what it raises, and `TypeError` for a reply that answers another command."""
        handler = command.handler
        if original is None:
            reply = await handler.function(message, fence.session)
        else:
            reply = await handler.function(message, _original(command, original), fence.session)
        if not isinstance(reply, Failure | handler.command.reply):
            wanted = handler.command.reply.__name__
            raise TypeError(f"a handler of {handler.command.__name__} returned {reply!r}: return {wanted} or Failure")
        return reply

    async def _on_raised(
        self, fence: FenceTransaction[SessionT], command: IncomingCommand[SessionT], error: Exception
    ) -> bool:
        """Forget the command, so that it is tried again; the last time it fails."""
        name = command.handler.command.message_type
        _log.error("the handler of %s raised, command %s", name, command.envelope.id, exc_info=error)
        if command.attempts + 1 < MAX_ATTEMPTS:
            await fence.withdraw()
            return False
        message = f"the handler raised {type(error).__name__} {MAX_ATTEMPTS} times; nothing was changed"
        failure = Failure(code="handler-raised", message=message, retryable=True)
        await fence.settle(self._settlement(command, stored(failure)))
        return True

    def _settlement(
        self,
        command: IncomingCommand[SessionT],
        reply: StoredReply,
        *,
        keeps_effect: bool = False,
        undone: str | None = None,
    ) -> Settlement:
        outgoing = wire.reply_record(self._participant.name, command, reply, _now())
        return Settlement(reply, outgoing, keeps_effect, undone)


def _original(command: IncomingCommand[Any], row: FenceRow) -> Original[Reply]:
    """Return the command that a compensation undoes, as the participant has executed it."""
    model, id_ = command.handler.compensates, command.envelope.compensates
    if model is None or id_ is None or row.command is None or row.reply is None:
        raise RuntimeError(f"the original of {command.envelope.id} is stored without its command or reply")
    reply = model.reply.model_validate_json(row.reply.value)
    return Original(id_, model.model_validate_json(row.command), reply)


def _fitting(reply: StoredReply) -> StoredReply:
    """Return the reply, or the failure that stands for one that Kafka would not accept."""
    if len(reply.value) <= MAX_REPLY_BYTES:
        return reply
    message = f"the reply has {len(reply.value)} bytes, at most {MAX_REPLY_BYTES} are sent; nothing was changed"
    return stored(Failure(code="reply-too-large", message=message, retryable=False))


def _not_understood(error: ValueError) -> StoredReply:
    """Return the failure for a wrong value: retryable, because a newer replica may understand it."""
    message = str(error)[:500]
    return stored(Failure(code="not-understood", message=message, retryable=True))


def _now() -> str:
    return datetime.now(UTC).isoformat()
