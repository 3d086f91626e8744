"""How the command line tells that an instance is parked, and behind which record."""

from collections.abc import Iterator, Sequence

from saga_coordinator.handlers.records import Audit, QueuedRecord
from saga_coordinator.service.cli.console import stamp
from saga_coordinator.service.storage.sqlite.dead_letter_queries import ParkedBehind


def behind(head: ParkedBehind) -> str:
    """Say in a few words that an instance is parked."""
    return f"parked behind {head.letter.record.place}"


def told(head: ParkedBehind) -> Iterator[str]:
    """Say in sentences that an instance is parked, behind what, and what to do."""
    letter, count = head.letter, head.waiting
    yield f"It is parked since {stamp(letter.at)} behind {letter.record.place}: {letter.cause.rstrip('.')}."
    waits = f"{count} later record{'s wait' if count != 1 else ' waits'} behind it, in order" if count else ""
    yield f"{waits}; its alarms go on ringing." if waits else "What comes later waits behind it; its alarms ring on."
    yield f"See `saga dead-letters show {letter.record.place}`."


def as_told(head: ParkedBehind | None) -> dict[str, object] | None:
    """Return what a program is told of it."""
    if head is None:
        return None
    letter = head.letter
    return {"behind": str(letter.record.place), "cause": letter.cause, "since": letter.at, "waiting": head.waiting}


def place_in_queue(waits: QueuedRecord, head: ParkedBehind | None, queue: Sequence[QueuedRecord]) -> str:
    """Say what a queued record stands behind."""
    before = [each.record.place for each in queue if each.seq < waits.seq]
    first = f" behind {head.letter.record.place}" if head else ""
    direct = f", directly behind {before[-1]}" if before else ""
    why = f" ({head.letter.cause})" if head else ""
    return f"instance {waits.instance_id} is parked{first}{why}; this record is queued for it{direct}"


def describe_audit(audit: Audit) -> str:
    """Say what somebody did to a dead letter."""
    return f"{audit.action} by {audit.by.who} at {stamp(audit.at)}: {audit.by.why}"
