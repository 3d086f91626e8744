"""What a participant receives and sends: records, apart from any client of Kafka."""

from dataclasses import dataclass

from saga_coordinator.contracts.envelope import Headers


@dataclass(frozen=True, slots=True)
class IncomingRecord:
    """A record as it was read. `timestamp` is in milliseconds since 1970, negative if it has none."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """A record to publish. A dead letter has the value of its original, and so may have none."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
