"""What the OTEL_* variables say of us: who we are, whether anything is exported, and in which portions.

The exporters read their own part of them: endpoint, headers, timeout, compression, certificates.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version

from opentelemetry.sdk.environment_variables import (
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_SCHEDULE_DELAY,
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from saga_coordinator.service.telemetry.conventions import SCHEMA_URL, SCOPE

OTLP = "otlp"
HTTP_PROTOBUF = "http/protobuf"


class Kind(StrEnum):
    """What is exported. Each has variables of its own that go before the common ones."""

    TRACES = "TRACES"
    METRICS = "METRICS"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How spans are exported: `batch` at once, every `delay` seconds, and at most `queue` waiting for it.

    A span that waits holds some 4 KB, what it is made of. At 1,200 orders a second 13,000 spans come in a second.
    """

    queue: int = 16_384
    batch: int = 1_024
    delay: float = 0.5


def resource_from_environment() -> Resource:
    """Return who we are: `saga-coordinator`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    ours = {SERVICE_NAME: SCOPE, SERVICE_VERSION: version(SCOPE)}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def scope() -> InstrumentationScope:
    """Return what makes our spans and metrics."""
    return InstrumentationScope(SCOPE, version(SCOPE), SCHEMA_URL)


def is_disabled() -> bool:
    """Say whether OTEL_SDK_DISABLED turns everything off."""
    return os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"


def endpoint(kind: Kind) -> str | None:
    """Return where something is exported to; None: it is not exported, because no variable says where."""
    if is_disabled() or OTLP not in _exporters(kind):
        return None
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{kind}_ENDPOINT")
    shared = os.environ.get(OTEL_EXPORTER_OTLP_ENDPOINT)
    return own or (f"{shared.rstrip('/')}/v1/{kind.lower()}" if shared else None)


def batch_limits_from_environment() -> BatchLimits:
    """Return the portions that the OTEL_BSP_* variables ask for, or our own, which are made for this load."""
    ours = BatchLimits()
    queue = _number(OTEL_BSP_MAX_QUEUE_SIZE, ours.queue)
    return BatchLimits(
        queue=queue,
        batch=min(queue, _number(OTEL_BSP_MAX_EXPORT_BATCH_SIZE, ours.batch)),
        delay=_number(OTEL_BSP_SCHEDULE_DELAY, int(ours.delay * 1000)) / 1000,
    )


def unsupported() -> Iterator[str]:
    """Yield what the variables ask for and will not get, each with its remedy."""
    for kind in Kind:
        for name in _exporters(kind) - {OTLP, "none"}:
            yield f"OTEL_{kind}_EXPORTER={name} is not supported: set {OTLP} or none"
        for variable in (f"OTEL_EXPORTER_OTLP_{kind}_PROTOCOL", OTEL_EXPORTER_OTLP_PROTOCOL):
            protocol = os.environ.get(variable)
            if protocol and protocol != HTTP_PROTOBUF and endpoint(kind):
                yield (
                    f"{variable}={protocol} is not supported: set {HTTP_PROTOBUF}, "
                    "and the endpoint to the collector's HTTP port (4318)"
                )


def _exporters(kind: Kind) -> set[str]:
    named = os.environ.get(f"OTEL_{kind}_EXPORTER") or OTLP
    return {name.strip().lower() for name in named.split(",")}


def _number(variable: str, otherwise: int) -> int:
    """Return a positive number from a variable. Raises `ValueError` if it is no such number."""
    given = os.environ.get(variable, "").strip()
    if not given:
        return otherwise
    if not given.isdecimal() or int(given) == 0:
        raise ValueError(f"{variable}={given!r} is not a positive whole number: correct it or leave it out")
    return int(given)
