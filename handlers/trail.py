"""The trace of an instance, derived: ids from the instance and its messages, so that a repeat makes the same spans.

Trace context is read and written as W3C Trace Context, version 00. A malformed one is as good as none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class SpanContext:
    """One span: its ids in lower-case hex, and whether it is sampled."""

    trace_id: str
    span_id: str
    sampled: bool

    def traceparent(self) -> str:
        """Write the header."""
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.sampled)}"


@dataclass(frozen=True, slots=True)
class Trail:
    """What the wire has to remember of an instance: the trace that it began in, the spans that sent the commands
    still awaited (by command id), and the id of the last message that it took.
    """

    root: SpanContext
    asks: Mapping[str, SpanContext] = field(default_factory=dict)
    last_message: str | None = None


def parse(traceparent: str | None) -> SpanContext | None:
    """Read a header; None if it is absent or malformed."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return SpanContext(trace_id, span_id, bool(int(flags, 16) & 1))


def derived_span(*names: object) -> str:
    """Return the span id that belongs to these names, and to nothing else."""
    return sha1("\0".join(map(str, names)).encode(), usedforsecurity=False).hexdigest()[:16]


def derived_trace(*names: object) -> str:
    """Return the trace id that belongs to these names."""
    return sha1("\0".join(map(str, names)).encode(), usedforsecurity=False).hexdigest()[:32]
