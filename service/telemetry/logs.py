"""The log: one JSON object a line on stderr, or text for people; our own words, and the warnings of our libraries.

The word and its facts are apart, so that lines can be searched: `event` says what, `instance`, `trace_id` and the
others say of which. A warning that comes again and again is said once a second, with how often it was kept back.
"""

import logging
import sys
from enum import StrEnum
from typing import TextIO

import structlog

from saga_coordinator.service.telemetry.rate_limit import RateLimit, fingerprint

NAME = "saga"

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
    """Return the logger for our own words: `logger().info("partitions taken", topic=..., partitions=...)`."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(NAME)
    return log


def _formatter(*, is_text: bool, is_coloured: bool) -> logging.Formatter:
    """Make what renders both our lines and those of the libraries."""
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
    """Keeps back what a library repeats: an outage makes some of them say the same many times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._rate_limit = RateLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is let through, and note on it how many like it were not."""
        if record.name == NAME:
            return True
        suppressed = self._rate_limit.suppressed(f"{record.name} {fingerprint(str(record.msg))}")
        setattr(record, _SUPPRESSED, suppressed)
        return suppressed is not None


def _add_suppressed(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add how often a library's line was kept back."""
    suppressed = getattr(event["_record"], _SUPPRESSED, None)
    if suppressed:
        event[_SUPPRESSED] = suppressed
    return event
