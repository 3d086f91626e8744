"""The trace of an instance, derived: ids from the instance and its messages, so that a repeat makes the same spans.

Trace context is read and written as W3C Trace Context, version 00. A malformed one is as good as none. `tracestate` is
passed on with everything that stays in its trace.

A start continues the trace of its event, or begins one that has the instance's id. A reply continues the trace of the
command that it answers, beneath the span that comes with it if that is of the same trace, else beneath the span that
sent the command: a participant that drops or replaces the context does not break the trace. A timer, an
operator action, a reply after a long wait and a redriven record begin a new trace, linked to what they follow from.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha1
from types import MappingProxyType
from typing import Final

from msgspec import DecodeError, Struct, json

from saga_coordinator.sagas.machine.snapshot import unreadable

NEW_TRACE_AFTER = timedelta(hours=1)

STORED_TRACE: Final = "its stored trace context"
"""The title of the `ValidationError` of one that cannot be read."""

_TRACEPARENT = re.compile(
    r"(?!ff)(?!00-.{53,})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
"""Not version ff; nothing after the flags in version 00; no id of zeros only (section 3.2)."""

_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
"""Its members are not read; 512 characters have to be passed on (section 3.3)."""

Sampler = Callable[[str], bool]
"""Decides by trace id whether a trace that begins here is sampled."""


class SpanContext(Struct, frozen=True):
    """One span: its ids in lower-case hex, whether it is sampled, and the `tracestate` of its trace."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str | None = None

    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.sampled)}"

    def child(self, name: str) -> "SpanContext":
        return self.with_id(derived_span(self.span_id, name))

    def with_id(self, span_id: str) -> "SpanContext":
        """Return another span of the same trace."""
        return SpanContext(self.trace_id, span_id, self.sampled, self.state)


class PendingCommand(Struct, frozen=True):
    """The span that sent a command still awaited, and when."""

    span: SpanContext
    at: datetime


class TraceContext(Struct, frozen=True):
    """What messages to and from an instance need to be connected in its trace.

    `root` is the span of its start, `pending` the commands whose replies are awaited, by id, and `last_message` the id
    of the last message that was applied: the commands that a timer sends name it as their cause.
    """

    root: SpanContext
    pending: Mapping[str, PendingCommand] = MappingProxyType({})
    last_message: str | None = None

    def to_json(self) -> str:
        asks = {
            id_: _StoredCommand(each.span.traceparent(), each.at, each.span.state) for id_, each in self.pending.items()
        }
        stored = _Stored(root=self.root.traceparent(), state=self.root.state, asks=asks, last=self.last_message)
        return _encode(stored).decode()

    @classmethod
    def from_json(cls, text: str) -> "TraceContext":
        """Read what `to_json` has written. Raises pydantic's `ValidationError` for anything else."""
        try:
            stored = _decode(text)
        except DecodeError as error:
            raise unreadable(STORED_TRACE, error) from error
        pending = {
            id_: PendingCommand(_parse_stored(each.span, each.state), each.at) for id_, each in stored.asks.items()
        }
        return cls(_parse_stored(stored.root, stored.state), pending, stored.last)


class _StoredCommand(Struct, array_like=True):
    """A pending command as JSON. Rows of before have no tracestate."""

    span: str
    at: datetime
    state: str | None = None


class _Stored(Struct, kw_only=True):
    """A trace context as JSON. Rows of before have no tracestate."""

    root: str
    state: str | None = None
    asks: dict[str, _StoredCommand]
    last: str | None


_encode = json.Encoder().encode
_decode = json.Decoder(_Stored).decode


class SpanPlacement(Struct, frozen=True):
    """Where a new span stands: itself, its parent (None: a root), and the spans that it is linked to."""

    span: SpanContext
    parent: SpanContext | None
    links: tuple[SpanContext, ...]


def at_start(instance_id: str, incoming: SpanContext | None, sampler: Sampler, *, in_new_trace: bool) -> SpanPlacement:
    """Return the placement of the span of a start: in the trace of its event, or in a new one that links to it."""
    span_id, links = derived_span(instance_id, 1), (incoming,) if incoming else ()
    if incoming is not None and not in_new_trace:
        return SpanPlacement(incoming.with_id(span_id), incoming, links)
    trace_id = derived_trace(instance_id, 1) if in_new_trace else instance_id.replace("-", "")
    sampled = incoming.sampled if incoming else sampler(trace_id)
    return SpanPlacement(SpanContext(trace_id, span_id, sampled), None, links)


def at_message(
    trace: TraceContext, name: tuple[str, int], incoming: SpanContext | None, pending: PendingCommand | None
) -> SpanPlacement:
    """Return the placement of the span of a message for a running instance; `name` is its id and revision."""
    sender = pending.span if pending else trace.root
    span_id = derived_span(*name)
    if incoming is not None and incoming.trace_id == sender.trace_id:
        span = SpanContext(sender.trace_id, span_id, sender.sampled, incoming.state or sender.state)
        return SpanPlacement(span, incoming, (incoming,))
    return SpanPlacement(sender.with_id(span_id), sender, (incoming,) if incoming else ())


def in_new_trace(trace: TraceContext, name: tuple[str, int], incoming: SpanContext | None = None) -> SpanPlacement:
    """Return the placement of a span that begins a trace, with links to its message, the start and what is pending."""
    links = (*((incoming,) if incoming else ()), trace.root, *(each.span for each in trace.pending.values()))
    return SpanPlacement(SpanContext(derived_trace(*name), derived_span(*name), trace.root.sampled), None, links)


def parse(traceparent: str | None, tracestate: str | None = None) -> SpanContext | None:
    """Read the two headers; None if the first is absent or malformed. The second is passed on as it is, or dropped."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    trace_id, span_id, flags = match.groups()
    state = tracestate if tracestate and _TRACESTATE.fullmatch(tracestate) else None
    return SpanContext(trace_id, span_id, int(flags, 16) & 1 == 1, state)


def derived_span(name: str, part: object) -> str:
    """Return the span id that belongs to a part of what has this name, and to nothing else."""
    return sha1(f"{name}/{part}".encode(), usedforsecurity=False).hexdigest()[:16]


def derived_trace(name: str, part: object) -> str:
    """Return the trace id that belongs to a part of what has this name."""
    return sha1(f"{name}/{part}".encode(), usedforsecurity=False).hexdigest()[:32]


def _parse_stored(traceparent: str, state: str | None = None) -> SpanContext:
    span = parse(traceparent, state)
    if span is None:
        raise ValueError(f"{traceparent!r} in the store is no traceparent: the row was changed by hand")
    return span
