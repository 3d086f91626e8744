"""What topics show of decisions that a database does not contain, because an older copy of it was restored.

Such an instance is in doubt: what it would decide now could contradict what was decided and published before.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from saga_coordinator.contracts import BadEnvelope
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.handlers.records import Record

IN_DOUBT: Final = "decided-before"
"""The code of the stall of an instance in doubt."""

REMEDY: Final = "compare what its participants have done, then retry, skip or resolve"


class Known(NamedTuple):
    """What the database contains of an instance: whether it has ended, and the ids of the commands that it has sent."""

    has_ended: bool
    sent: frozenset[str]


class Evidence(NamedTuple):
    """A record that shows a decision on an instance: a reply to a command, or an outcome (of no command)."""

    instance_id: str
    command_id: str | None
    what: str

    def is_news(self, known: Known | None) -> bool:
        """Return whether the database does not contain the decision; `known` is None if it has no such instance."""
        if known is None:
            return True
        return not known.has_ended and (self.command_id is None or self.command_id not in known.sent)


def evidence_of(record: Record, replies: str) -> Evidence | None:
    """Return what a record of the reply topic `replies`, or of a topic of outcomes, shows; None: nothing."""
    try:
        envelope, _ = wire.read(record.headers, record.value)
    except BadEnvelope:
        return None
    if envelope.correlation_id is None:
        return None
    if record.place.topic != replies:
        return Evidence(envelope.correlation_id, None, f"its outcome {envelope.type} is published at {record.place}")
    if envelope.causation_id is None:
        return None
    what = f"a reply at {record.place} answers its command {envelope.causation_id}, which this database has not sent"
    return Evidence(envelope.correlation_id, envelope.causation_id, what)


def doubts(evidence: Iterable[Evidence], known: Mapping[str, Known]) -> Mapping[str, str]:
    """Return the instances in doubt, each with the first reason for it."""
    found: dict[str, str] = {}
    for each in evidence:
        if each.is_news(known.get(each.instance_id)):
            reason = f"more was decided than this database contains, since it went back: {each.what}; {REMEDY}"
            found.setdefault(each.instance_id, reason)
    return found
