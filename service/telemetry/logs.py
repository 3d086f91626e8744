"""The log: one JSON object a line on stderr, or text for people, for our own words and for those of our libraries."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

import structlog

from handlers.rows import Committed, Hop
from sagas.machine import Status
from service.telemetry import hops
from service.telemetry.seldom import Seldom, gist

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


def configure(level: str = "info", format_: Format = Format.AUTO, stream: TextIO | None = None) -> None:
    """Set up the log, once, before anything is said. `level` is debug, info, warning or error."""
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    is_text = format_ is Format.CONSOLE or (format_ is Format.AUTO and out.isatty())
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
