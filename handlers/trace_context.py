"""The trace of an instance, derived: ids from the instance and its messages, so that a repeat makes the same spans.

Trace context is read and written as W3C Trace Context, version 00. A malformed one is as good as none.

A start continues the trace of its event, or begins one that has the instance's id. A reply continues the trace of the
command that it answers, beneath the span that comes with it if that is of the same trace, else beneath the span that
sent the command: a participant that drops or replaces the context does not break the trace. An alarm, a wish of an
operator, a reply after a long wait and a record that is redriven begin a new trace, linked to what they follow from.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha1
from types import MappingProxyType
from typing import NamedTuple

import pydantic_core

NEW_TRACE_AFTER = timedelta(hours=1)

_TRACEPARENT = re.compile(
    r"(?!ff)(?!00-.{53,})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
"""Not version ff; nothing after the flags in version 00; no id of zeros only (section 3.2)."""

Sampler = Callable[[str], bool]
"""Decides by trace id whether a trace that begins here is sampled."""


class SpanContext(NamedTuple):
    """One span: its ids in lower-case hex, and whether it is sampled."""

    trace_id: str
    span_id: str
    sampled: bool

    def traceparent(self) -> str:
        """Write the header."""
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.sampled)}"

    def child(self, name: str) -> "SpanContext":
        """Return the span of this name beneath this one."""
        return SpanContext(self.trace_id, derived_span(self.span_id, name), self.sampled)


class PendingCommand(NamedTuple):
    """The span that sent a command still awaited, and when."""

    span: SpanContext
    at: datetime


class TraceContext(NamedTuple):
    """What messages to and from an instance need to be connected in its trace.

    `root` is the span of its start, `pending` the commands whose replies are awaited, by id, and `last_message` the id
    of the last message that was applied: the commands that a timer sends name it as their cause.
    """

    root: SpanContext
    pending: Mapping[str, PendingCommand] = MappingProxyType({})
    last_message: str | None = None

    def to_json(self) -> str:
        """Return it as a store keeps it."""
        asks = {id_: [each.span.traceparent(), each.at] for id_, each in self.pending.items()}
        fields = {"root": self.root.traceparent(), "asks": asks, "last": self.last_message}
        return pydantic_core.to_json(fields).decode()

    @classmethod
    def from_json(cls, text: str) -> "TraceContext":
        """Read what `to_json` returned."""
        fields = json.loads(text)
        asks = fields["asks"].items()
        pending = {id_: PendingCommand(_parse_stored(span), datetime.fromisoformat(at)) for id_, (span, at) in asks}
        return cls(_parse_stored(fields["root"]), pending, fields["last"])


class SpanPlacement(NamedTuple):
    """Where a new span stands: itself, its parent (None: a root), and the spans that it is linked to."""

    span: SpanContext
    parent: SpanContext | None
    links: tuple[SpanContext, ...]


def placement_at_start(instance_id: str, incoming: SpanContext | None, sampler: Sampler) -> SpanPlacement:
    """Return the footing of the span that takes a start."""
    span_id = derived_span(instance_id, 1)
    if incoming is not None:
        return SpanPlacement(SpanContext(incoming.trace_id, span_id, incoming.sampled), incoming, (incoming,))
    trace_id = instance_id.replace("-", "")
    return SpanPlacement(SpanContext(trace_id, span_id, sampler(trace_id)), None, ())


def placement_at_reply(
    trace: TraceContext, name: tuple[str, int], incoming: SpanContext | None, ask: PendingCommand | None
) -> SpanPlacement:
    """Return the footing of the span that takes a message for a running instance; `name` is its id and sequence."""
    sender = ask.span if ask else trace.root
    span_id = derived_span(*name)
    if incoming is not None and incoming.trace_id == sender.trace_id:
        return SpanPlacement(SpanContext(sender.trace_id, span_id, sender.sampled), incoming, (incoming,))
    links = (incoming,) if incoming else ()
    return SpanPlacement(SpanContext(sender.trace_id, span_id, sender.sampled), sender, links)


def new_trace_at_start(instance_id: str, incoming: SpanContext | None, sampler: Sampler) -> SpanPlacement:
    """Return the footing of a span that takes a start which was set aside: a new trace, linked to that of its event."""
    trace_id = derived_trace(instance_id, 1)
    sampled = incoming.sampled if incoming else sampler(trace_id)
    links = (incoming,) if incoming else ()
    return SpanPlacement(SpanContext(trace_id, derived_span(instance_id, 1), sampled), None, links)


def new_trace(trace: TraceContext, name: tuple[str, int], also: SpanContext | None = None) -> SpanPlacement:
    """Return the footing of a span that begins a new trace, linked to the start and to all that is still awaited."""
    links = (*((also,) if also else ()), trace.root, *(ask.span for ask in trace.pending.values()))
    return SpanPlacement(SpanContext(derived_trace(*name), derived_span(*name), trace.root.sampled), None, links)


def parse(traceparent: str | None) -> SpanContext | None:
    """Read a header; None if it is absent or malformed."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    trace_id, span_id, flags = match.groups()
    return SpanContext(trace_id, span_id, int(flags, 16) & 1 == 1)


def derived_span(*names: object) -> str:
    """Return the span id that belongs to these names, and to nothing else."""
    return sha1("/".join(map(str, names)).encode(), usedforsecurity=False).hexdigest()[:16]


def derived_trace(*names: object) -> str:
    """Return the trace id that belongs to these names."""
    return sha1("/".join(map(str, names)).encode(), usedforsecurity=False).hexdigest()[:32]


def _parse_stored(traceparent: str) -> SpanContext:
    span = parse(traceparent)
    if span is None:
        raise ValueError(f"{traceparent!r} in the store is no traceparent: the row was changed by hand")
    return span
