"""From our spans' contexts and times to those of OpenTelemetry."""

from datetime import UTC, datetime
from typing import NamedTuple

from opentelemetry.trace import SpanContext, TraceFlags

from saga_coordinator.handlers import trace_context as trail

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAMPLED, _NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)


class Times(NamedTuple):
    """When a transaction began and ended, in nanoseconds since 1970; it never ends before it began."""

    began: int
    ended: int

    def within(self, at: datetime) -> int:
        """Return a moment of the transaction, never outside it: a clock may have been stepped meanwhile."""
        return min(max(nanoseconds(at), self.began), self.ended)


def times(began: datetime, ended: datetime) -> Times:
    """Return when something began and ended."""
    first = nanoseconds(began)
    return Times(first, max(first, nanoseconds(ended)))


def nanoseconds(at: datetime) -> int:
    """Return a time in nanoseconds since 1970, exact to the microsecond."""
    since = at - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def context(span: trail.SpanContext, *, remote: bool = False) -> SpanContext:
    """Return the context of a span. `remote`: it came with a message, and is some other process's."""
    flags = _SAMPLED if span.sampled else _NOT_SAMPLED
    return SpanContext(int(span.trace_id, 16), int(span.span_id, 16), remote, flags)
