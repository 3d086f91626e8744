"""How values stand in columns: times as microseconds, headers as JSON text that keeps every byte."""

import json
from datetime import UTC, datetime, timedelta

from contracts.envelope import Headers

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_time(at: datetime) -> int:
    """Write a time as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def from_optional_time(at: datetime | None) -> int | None:
    """Write a time that may be absent."""
    return None if at is None else from_time(at)


def to_time(microseconds: int) -> datetime:
    """Read a time, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def from_headers(headers: Headers) -> str:
    """Write headers as a JSON list of pairs; a byte is the character of the same number."""
    return json.dumps([(name, value.decode("latin-1")) for name, value in headers])


def to_headers(text: str) -> Headers:
    """Read headers."""
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(text))
