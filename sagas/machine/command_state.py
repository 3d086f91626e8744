"""What becomes of one direction of a step: each function returns the leg as it is afterwards."""

from dataclasses import replace
from datetime import datetime, timedelta

from saga_coordinator.sagas.machine.instance import CommandState, Progress


def with_progress(command_state: CommandState, progress: Progress, due_at: datetime | None) -> CommandState:
    """The leg has come so far. One that is not asked under this id again forgets its payload."""
    may_be_sent_again = progress is Progress.UNKNOWN
    return CommandState(
        progress=progress,
        attempt=command_state.attempt,
        sendings=command_state.sendings,
        command_id=command_state.command_id,
        asked_at=command_state.asked_at,
        due_at=due_at,
        payload=command_state.payload if may_be_sent_again else None,
        since=command_state.since,
        repeated=command_state.repeated and may_be_sent_again,
        withdrawn=command_state.withdrawn and may_be_sent_again,
    )


def sent_again(command_state: CommandState, at: datetime, due_at: datetime) -> CommandState:
    """The same command was sent once more, under the same id."""
    sendings = command_state.sendings + 1
    return replace(command_state, progress=Progress.ASKED, sendings=sendings, asked_at=at, due_at=due_at, repeated=True)


def restarted(command_state: CommandState, at: datetime) -> CommandState:
    """The leg is due to be asked now, as if for the first time: after a "not done" under a new id."""
    progress = Progress.WAITING if command_state.progress is Progress.REFUSED else command_state.progress
    since = None if command_state.since is None else at
    return replace(command_state, progress=progress, sendings=0, due_at=at, since=since)


def shifted(command_state: CommandState, by: timedelta) -> CommandState:
    """The leg is due so much later, and its total time began so much later; one that is not due stays as it is."""
    if command_state.due_at is None:
        return command_state
    return replace(
        command_state, due_at=command_state.due_at + by, since=command_state.since and command_state.since + by
    )
