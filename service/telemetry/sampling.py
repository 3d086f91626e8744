"""Which traces are sampled: the SDK's own sampler, as OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name it.

It is asked once for each trace that begins here, whether or not spans are exported from here: its answer goes out in
the headers, and participants that do export follow it. A trace that comes with an event keeps the flag that it has.
"""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision

from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.service.telemetry.environment import is_disabled

_RANDOM_DIGITS = 14


def sampler_from_environment() -> Sampler:
    """Return the sampler. Without one named it samples all; with OTEL_SDK_DISABLED=true nothing."""
    if is_disabled():
        return _never
    sampler = TracerProvider(shutdown_on_exit=False).sampler

    def sample(trace_id: str) -> bool:
        return sampler.should_sample(None, _spread(trace_id), "process").decision is Decision.RECORD_AND_SAMPLE

    return sample


def _never(_trace_id: str) -> bool:
    return False


def _spread(trace_id: str) -> int:
    """Return a trace id whose low 64 bits, by which the SDK's ratio sampler goes, are all equally likely.

    A trace that has the id of an instance, a UUID, has two bits there that never change: it would be all or nothing.
    The last 56 bits are random (W3C Trace Context level 2, section 2.2.3.2).
    """
    return int(trace_id[-_RANDOM_DIGITS:], 16) << 8
