"""What is stored beside an instance: its pending commands, and the addresses where it waits for events."""

from collections.abc import Iterable
from typing import Any

from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.handlers.trace_context import PendingCommand, SpanContext, TraceContext
from saga_coordinator.sagas.machine import Decision, Instance, Progress, ReplyReceived, Signal


def trace_context_after(
    trace: TraceContext,
    decision: Decision[Any],
    signal: Signal,
    sent: Iterable[tuple[OutboxMessage, SpanContext]],
    message: str | None,
) -> TraceContext:
    """Return what the wire remembers after a signal: the commands that are pending now, the message that came last."""
    if decision.instance.status.is_final:
        return TraceContext(trace.root, {}, message)
    pending = dict(trace.pending)
    if isinstance(signal, ReplyReceived) and decision.ignored is None:
        pending.pop(signal.command_id, None)
    pending.update((row.message_id, PendingCommand(span, signal.at)) for row, span in sent)
    return TraceContext(trace.root, pending, message)


def waits(instance: Instance[Any]) -> dict[str, str]:
    """Return the addresses where an instance awaits events, by the receives that wait there."""
    if instance.status.is_final or instance.cause is not None:
        return {}
    return {
        name: wait.address for name, wait in instance.waits.items() if wait.address and wait.progress is Progress.ASKED
    }
