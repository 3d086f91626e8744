"""What the OTEL_* variables configure: resource, endpoints, batches and sampling.

The exporters read the rest themselves: headers, timeout, compression, certificates.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.environment_variables import (
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_SCHEDULE_DELAY,
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.service.addresses import is_loopback
from saga_coordinator.service.telemetry.conventions import SCHEMA_URL, SCOPE

OTLP = "otlp"
HTTP_PROTOBUF = "http/protobuf"


class ExportKind(StrEnum):
    """What is exported. Each kind has variables of its own that take precedence over the common ones."""

    TRACES = "TRACES"
    METRICS = "METRICS"


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How spans are exported: in batches of `batch`, every `delay` seconds, from a queue of at most `queue`.

    A queued span takes some 800 bytes. 1,200 orders a second make 13,000 spans a second.
    """

    queue: int = 16_384
    batch: int = 1_024
    delay: float = 0.5


def resource_from_environment() -> Resource:
    """Return the resource: `saga-coordinator`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES name another."""
    ours = {SERVICE_NAME: SCOPE, SERVICE_VERSION: version(SCOPE)}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def scope() -> InstrumentationScope:
    return InstrumentationScope(SCOPE, version(SCOPE), SCHEMA_URL)


def is_disabled() -> bool:
    """Return whether OTEL_SDK_DISABLED turns everything off."""
    return os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true"


def endpoint(kind: ExportKind) -> str | None:
    """Return the endpoint of an export, or None if no variable names one."""
    if is_disabled() or OTLP not in _exporters(kind):
        return None
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{kind}_ENDPOINT")
    shared = os.environ.get(OTEL_EXPORTER_OTLP_ENDPOINT)
    return own or (f"{shared.rstrip('/')}/v1/{kind.lower()}" if shared else None)


def session(kind: ExportKind) -> Any:  # noqa: ANN401  requests carries no types
    """Return a session that asks no proxy for a collector on this machine; None: the exporter's own."""
    if not asks_no_proxy(kind):
        return None
    made = import_module("requests").Session()
    made.trust_env = False
    return made


def asks_no_proxy(kind: ExportKind) -> bool:
    """Return whether the collector is on this machine: then the proxy variables are not meant for it."""
    return is_loopback(urlsplit(endpoint(kind) or "").netloc)


def batch_limits_from_environment() -> BatchLimits:
    """Return the limits that the OTEL_BSP_* variables set, or our own defaults, which suit this load."""
    ours = BatchLimits()
    queue = _number(OTEL_BSP_MAX_QUEUE_SIZE, ours.queue)
    return BatchLimits(
        queue=queue,
        batch=min(queue, _number(OTEL_BSP_MAX_EXPORT_BATCH_SIZE, ours.batch)),
        delay=_number(OTEL_BSP_SCHEDULE_DELAY, int(ours.delay * 1000)) / 1000,
    )


def unsupported() -> Iterator[str]:
    """Yield what the variables ask for and is not supported, each with its remedy."""
    for kind in ExportKind:
        for name in _exporters(kind) - {OTLP, "none"}:
            yield f"OTEL_{kind}_EXPORTER={name} is not supported: set {OTLP} or none"
        for variable in (f"OTEL_EXPORTER_OTLP_{kind}_PROTOCOL", OTEL_EXPORTER_OTLP_PROTOCOL):
            protocol = os.environ.get(variable)
            if protocol and protocol != HTTP_PROTOBUF and endpoint(kind):
                yield (
                    f"{variable}={protocol} is not supported: set {HTTP_PROTOBUF}, "
                    "and the endpoint to the collector's HTTP port (4318)"
                )


def _exporters(kind: ExportKind) -> set[str]:
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


_RANDOM_DIGITS = 14


def sampler_from_environment() -> Sampler:
    """Return the SDK's sampler that OTEL_TRACES_SAMPLER names: by default all traces, with OTEL_SDK_DISABLED none.

    It decides once for each trace that begins here, whether or not we export spans: the flag goes out in the headers,
    and participants follow it. A trace that came with an event keeps its flag.
    """
    if is_disabled():
        return _never
    sampler = TracerProvider(shutdown_on_exit=False).sampler

    def sample(trace_id: str) -> bool:
        return sampler.should_sample(None, _spread(trace_id), "process").decision is Decision.RECORD_AND_SAMPLE

    return sample


def _never(_trace_id: str) -> bool:
    return False


def _spread(trace_id: str) -> int:
    """Return a trace id whose low 64 bits, which the SDK's ratio sampler compares, are all equally likely.

    A trace whose id is that of an instance, a UUID, has two constant bits there. The last 56 bits are random (W3C Trace
    Context level 2, section 2.2.3.2).
    """
    return int(trace_id[-_RANDOM_DIGITS:], 16) << 8
