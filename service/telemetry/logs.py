"""The log: one JSON object a line on stderr, or text for people; our own lines, and the warnings of libraries.

The event and its facts are apart, so that lines can be searched: `event` says what, `instance`, `trace_id` and the
others say of which. A warning that repeats is logged once a second, with how often it was suppressed.
"""

import asyncio
import logging
import re
import sys
import traceback
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

import structlog

from saga_coordinator.handlers.ports import Lane
from saga_coordinator.handlers.records import (
    Committed,
    DeadLetter,
    Place,
    Raised,
    RecordVerdict,
    TransitionRecord,
    Verdict,
)
from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.telemetry import transitions

NAME = "saga"
CLIENT = "aiokafka"
MAX_KEYS = 1_000

_SUPPRESSED = "suppressed"

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
)


class Format(StrEnum):
    """How a line looks; `auto` is text on a terminal and JSON otherwise."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


def configure(level: str = "info", form: Format = Format.AUTO, stream: TextIO | None = None) -> None:
    """Set the log up, before anything is said. `level` is debug, info, warning or error; libraries only warn."""
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    is_text = form is Format.CONSOLE or (form is Format.AUTO and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(is_text=is_text, is_coloured=out.isatty()))
    handler.addFilter(_LibraryRateLimit())
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    logging.getLogger(NAME).setLevel(number)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger of our own lines: `logger().info("serving", api=...)`."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(NAME)
    return log


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what an event loop reports. What becomes of a connection that was given up is no error of ours.

    uvloop reports a TLS handshake that was cancelled, by a time-out or by SIGTERM, with a traceback: it failed after
    nobody waited for it any more, or had something to send that could not be sent any more.
    """
    error = context.get("exception")
    is_closed = isinstance(error, RuntimeError) and "the handler is closed" in str(error)
    if isinstance(error, OSError) or (is_closed and "transport" in context):
        logger().debug("a connection that was given up has failed", error=repr(error))
    else:
        loop.default_exception_handler(context)


def _formatter(*, is_text: bool, is_coloured: bool) -> logging.Formatter:
    render: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=is_coloured, timestamp_key="time")]
        if is_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name, _add_suppressed],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


class _LibraryRateLimit(logging.Filter):
    """Suppresses what a library repeats: in an outage some log the same line many times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._rate_limit = RateLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged, and set on it how many like it were suppressed.

        An error of Kafka's client is a warning: it reconnects, and what does not end is reported by our own lines.
        """
        if record.name == NAME:
            return True
        if record.name.partition(".")[0] == CLIENT and record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        suppressed = self._rate_limit.suppressed(f"{record.name} {fingerprint(str(record.msg))}")
        setattr(record, _SUPPRESSED, suppressed)
        return suppressed is not None


def _add_suppressed(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    suppressed = getattr(event["_record"], _SUPPRESSED, None)
    if suppressed:
        event[_SUPPRESSED] = suppressed
    return event


_VARYING = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+")


def fingerprint(text: str) -> str:
    """Return a text without its ids and numbers: lines with the same fingerprint say the same."""
    return _VARYING.sub("#", text)


class RateLimit:
    """Allows each text once in `every` seconds. For one thread, or under its caller's lock."""

    def __init__(self, every: float = 1.0, clock: Callable[[], float] = monotonic) -> None:
        self._every = every
        self._clock = clock
        self._reported: dict[str, tuple[float, int]] = {}

    def suppressed(self, what: str) -> int | None:
        """Return how often a text was suppressed since it was last allowed, or None if it is suppressed now."""
        now = self._clock()
        reported_at, times = self._reported.get(what, (-self._every, 0))
        if now - reported_at < self._every:
            self._reported[what] = (reported_at, times + 1)
            return None
        if len(self._reported) >= MAX_KEYS:
            self._reported.clear()
        self._reported[what] = (now, 0)
        return times


class LogLines:
    """Logs each signal at debug, each stall and stopped partition at error, and what failed at warning.

    The log is configured before.
    """

    def __init__(self) -> None:
        self._log = logger().bind()
        self._is_debug = self._log.is_enabled_for(logging.DEBUG)
        self._rate_limit = RateLimit()
        self._ignored_kinds: set[tuple[str, str | None]] = set()

    def on_commit(self, committed: Committed) -> None:
        for transition in committed.transitions:
            if self._is_debug:
                self._log.debug("signal received", **_facts(transition), **_decided(transition))
            if transition.decision.instance.status is Status.STALLED and transitions.entered(transition) is not None:
                self._stalled(transition)
            if transition.entry.verdict is Verdict.CONTRADICTORY:
                facts = _facts(transition) | _decided(transition)
                self._log.warning("a reply contradicts an earlier one: a person has to find out what is true", **facts)
        raised_on = {raised.record for raised in committed.changes.raised}
        for raised in committed.changes.raised:
            self._raised(raised)
        for letter in committed.changes.dead_letters:
            self._dead_lettered(letter, raised_on)
        for unwanted in committed.changes.unwanted:
            self._ignored(unwanted)

    def on_error(self, what: str, error: BaseException) -> None:
        """Log that something failed and will be retried: texts that differ in ids and numbers only once a second."""
        suppressed = self._rate_limit.suppressed(fingerprint(what))
        if suppressed is None:
            return
        facts: dict[str, object] = {"error": ": ".join(filter(None, (type(error).__name__, str(error))))}
        if suppressed:
            facts["suppressed"] = suppressed
        if (where := _where(error)) is not None:
            facts["where"] = where
        self._log.warning(what, **facts)

    def on_stopped(self, at: Lane, reason: str) -> None:
        self._log.error("partition stopped", partition=f"{at[0]}:{at[1]}", reason=reason)

    def _raised(self, raised: Raised) -> None:
        """Log what a function raised, and of what was raised at one place only one a second."""
        facts = _where_raised(raised)
        suppressed = self._rate_limit.suppressed(" ".join(map(str, (facts["error"], *facts["trace"]))))
        if suppressed is not None:
            what = "record dead-lettered" if raised.record else "instance stalled"
            facts |= {_SUPPRESSED: suppressed} if suppressed else {}
            self._log.error(f"{what}: a function of the saga raised", **facts)

    def _dead_lettered(self, letter: DeadLetter, raised_on: Collection[Place | None]) -> None:
        """Log a dead letter, and of those of a topic with a like cause only one a second."""
        if letter.record.place in raised_on:  # it has its line, with the trace
            return
        cause, place = letter.summary or letter.cause, letter.record.place
        suppressed = self._rate_limit.suppressed(f"{place.topic} {fingerprint(cause)}")
        if suppressed is None:
            return
        facts = {"record": str(place), "cause": cause, "instance": letter.instance_id, _SUPPRESSED: suppressed}
        self._log.warning("record dead-lettered", **{name: fact for name, fact in facts.items() if fact})

    def _ignored(self, record: RecordVerdict) -> None:
        """Log the first record of each type that is ignored on a topic: the type may be misspelt."""
        kind = record.place.topic, record.message_type
        if kind not in self._ignored_kinds and len(self._ignored_kinds) < MAX_KEYS:
            self._ignored_kinds.add(kind)
            self._log.info("records of a type are ignored", record=str(record.place), reason=record.reason)

    def _stalled(self, transition: TransitionRecord) -> None:
        stall = transition.decision.instance.stall
        facts = {} if stall is None else {"step": stall.step, "code": stall.code, "reason": transitions.reason(stall)}
        self._log.error("instance stalled: an operator has to decide", **_facts(transition), **facts)


def _where_raised(raised: Raised) -> dict[str, Any]:
    """Return which function of a saga raised what and where. The words of the exception may hold personal data."""
    place, frames = raised.place, traceback.extract_tb(raised.error.__traceback__)
    facts = {
        "record": raised.record and str(raised.record),
        "error": type(raised.error).__name__,
        "saga": raised.saga,
        "instance": raised.instance_id,
        "key": raised.key,
        "step": place and place.node,
        "argument": place and place.argument,
        "function": place and place.function,
        "where": place and place.place,
        "trace": [f"{each.filename}:{each.lineno} in {each.name}" for each in frames],
    }
    return {name: fact for name, fact in facts.items() if fact}


def _facts(transition: TransitionRecord) -> dict[str, object]:
    entry = transition.entry
    return {
        "saga": transition.saga.name,
        "instance": entry.instance_id,
        "key": transition.decision.instance.key,
        "seq": entry.seq,
        "signal": entry.kind,
        "trace_id": entry.trace_id,
        "span_id": entry.span_id,
    }


def _decided(transition: TransitionRecord) -> dict[str, object]:
    entry, decision = transition.entry, transition.decision
    facts = {
        "verdict": entry.verdict.value,
        "status": decision.instance.status.value,
        "why": entry.reason,
        "message": entry.message_type,
        "record": None if entry.place is None else str(entry.place),
        "sent": [f"{send.step}/{send.direction}/{send.attempt}" for send in decision.commands] or None,
        "outcome": None if decision.outcome is None else decision.outcome.message_type,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _where(error: BaseException) -> str | None:
    """Return the line that raised the error."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{Path(frames[0].filename).name}:{frames[0].lineno} in {frames[0].name}" if frames else None
