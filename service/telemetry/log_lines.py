"""What is said of the work: a line for each signal at debug, one for a stall at error, one for trouble at warning."""

import logging
import traceback
from pathlib import Path

from saga_coordinator.handlers.records import Committed, TransitionRecord
from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.telemetry import transitions as hops
from saga_coordinator.service.telemetry.logs import logger
from saga_coordinator.service.telemetry.rate_limit import RateLimit, fingerprint


class LogLines:
    """Says what happens. The log is configured before."""

    def __init__(self) -> None:
        self._log = logger().bind()
        self._is_debug = self._log.is_enabled_for(logging.DEBUG)
        self._rate_limit = RateLimit()

    def committed(self, turn: Committed) -> None:
        """Say what was committed. When debug is off, only stalls are looked for."""
        for hop in turn.hops:
            if self._is_debug:
                self._log.debug("signal taken", **_facts(hop), **_decided(hop))
            if hop.decision.instance.status is Status.STALLED and hops.entered(hop) is not None:
                self._stalled(hop)

    def on_error(self, what: str, error: BaseException) -> None:
        """Say that something did not work: the same thing, numbers apart, at most once a second."""
        suppressed = self._rate_limit.suppressed(fingerprint(what))
        if suppressed is None:
            return
        facts: dict[str, object] = {"error": f"{type(error).__name__}: {error}"}
        if suppressed:
            facts["suppressed"] = suppressed
        if (where := _where(error)) is not None:
            facts["where"] = where
        self._log.warning(what, **facts)

    def _stalled(self, hop: TransitionRecord) -> None:
        stall = hop.decision.instance.stall
        facts = {} if stall is None else {"step": stall.step, "code": stall.code, "reason": stall.message}
        self._log.error("instance stalled: an operator has to decide", **_facts(hop), **facts)


def _facts(hop: TransitionRecord) -> dict[str, object]:
    """Say which instance it is, and where its trace is."""
    entry = hop.entry
    return {
        "saga": hop.saga.name,
        "instance": entry.instance_id,
        "seq": entry.seq,
        "signal": entry.kind,
        "trace_id": entry.trace_id,
        "span_id": entry.span_id,
    }


def _decided(hop: TransitionRecord) -> dict[str, object]:
    """Say what came, and what was made of it."""
    entry, decision = hop.entry, hop.decision
    told = {
        "verdict": entry.verdict.value,
        "status": decision.instance.status.value,
        "why": entry.reason,
        "message": entry.message_type,
        "record": None if entry.place is None else str(entry.place),
        "sent": [f"{send.step}/{send.direction}/{send.attempt}" for send in decision.commands] or None,
        "outcome": None if decision.outcome is None else decision.outcome.message_type,
    }
    return {name: value for name, value in told.items() if value is not None}


def _where(error: BaseException) -> str | None:
    """Return the place that raised: what the author of a saga looks for."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{Path(frames[0].filename).name}:{frames[0].lineno} in {frames[0].name}" if frames else None
