"""How a record says what it holds, and what bytes look like that are not what they should be."""

from collections.abc import Mapping
from typing import Final

STRUCTURED: Final = "application/cloudevents+json"
CLOUDEVENTS: Final = "application/cloudevents"
BATCH: Final = "application/cloudevents-batch"

REGISTRY_PREFIX: Final = 5
"""Bytes before a value that a serializer of a schema registry has written: a zero, and the id of the schema."""


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type in lower case, without parameters, blanks and quotes; empty if there is none.

    Some clients write the header's name in another way, or its value as a JSON text.
    """
    given = headers.get("content-type")
    if given is None:
        given = next((text for name, text in headers.items() if _plain(name) == "contenttype"), "")
    return given.split(";", 1)[0].strip(' \t"').lower()


def looks_like(value: bytes | None) -> str | None:
    """Return what bytes look like that are no JSON in UTF-8, None if that cannot be said."""
    raw = value or b""
    if raw.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark: send UTF-8 without one"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff", b"{\0", b"\0{")):
        return "it looks like UTF-16: send UTF-8"
    if raw.startswith(b"\0") and len(raw) > REGISTRY_PREFIX:
        schema = int.from_bytes(raw[1:REGISTRY_PREFIX], "big")
        return f"it begins with the magic byte and schema id {schema} of a schema registry: send plain JSON"
    if raw.startswith(b"\x1f\x8b"):
        return "it looks like gzip: let the producer compress it instead (compression.type)"
    return "it looks like XML: send JSON" if raw.startswith(b"<") else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
