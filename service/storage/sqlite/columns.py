"""How values are stored in columns: times as microseconds, headers as JSON text that keeps every byte."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

from pydantic_core import from_json, to_json

from saga_coordinator.handlers.records import RawHeaders

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_time(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def from_optional_time(at: datetime | None) -> int | None:
    """Return an optional time as microseconds since 1970."""
    return None if at is None else from_time(at)


def to_time(microseconds: int) -> datetime:
    """Return a stored time, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def from_headers(headers: RawHeaders) -> str:
    """Return headers as a JSON list of pairs; a value that is not UTF-8 becomes a list of one base64 text."""
    try:
        return to_json(headers).decode()
    except ValueError:
        return to_json([(name, _readable(value)) for name, value in headers]).decode()


def to_headers(text: str) -> RawHeaders:
    """Return stored headers."""
    return tuple((name, _raw(value)) for name, value in from_json(text))


def _readable(value: bytes | None) -> str | list[str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return [b64encode(value).decode()]


def _raw(value: str | list[str] | None) -> bytes | None:
    if isinstance(value, list):
        return b64decode(value[0])
    return None if value is None else value.encode()
