"""Exports the messages of a catalog as JSON Schemas and an AsyncAPI document, and checks exported files.

An exported schema is a promise. One whose change would break its readers or senders is never overwritten: the changed
message needs a type of its own (`.v2`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from saga_coordinator.handlers.names import DEFAULT_NAMES, Names
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.catalog import catalog as own_catalog
from saga_coordinator.service.asyncapi.compatibility import breaks
from saga_coordinator.service.asyncapi.conversation import WireMessage, conversation, schemas
from saga_coordinator.service.asyncapi.document import SCHEMAS, document

DOCUMENT: Final = "asyncapi.json"
EXPORT: Final = "run `saga contracts export`"


def export(folder: Path, catalog: Iterable[AnySaga] = own_catalog, names: Names = DEFAULT_NAMES) -> list[Path]:
    """Bring `schemas/*.json` and `asyncapi.json` in a folder up to date, and return the files that were written.

    A schema whose change would break its readers or senders is left as it is; `check` reports it. No file is deleted.
    """
    messages = conversation(catalog, names)
    written = []
    for path, text in _texts(folder, messages, names).items():
        if not _is(path, text) and not list(_broken(path, messages)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def check(folder: Path, catalog: Iterable[AnySaga] = own_catalog, names: Names = DEFAULT_NAMES) -> list[str]:
    """Return the problems of the files in a folder, each with its remedy; nothing if they match the code."""
    messages = conversation(catalog, names)
    return list(_problems(folder, messages, names))


def _problems(folder: Path, messages: tuple[WireMessage, ...], names: Names) -> Iterator[str]:
    texts = _texts(folder, messages, names)
    for path, text in texts.items():
        if not path.exists():
            yield f"{path} is missing: {EXPORT}"
        elif broken := list(_broken(path, messages)):
            yield from broken
        elif not _is(path, text):
            yield f"{path} is not up to date: {EXPORT}"
    for path in sorted((folder / SCHEMAS).glob("*.json")):
        if path not in texts:
            yield f"{path}: no saga sends or receives this message any more; delete the file when nobody relies on it"


def _texts(folder: Path, messages: tuple[WireMessage, ...], names: Names) -> dict[Path, str]:
    """Return the files as they should be. Their order never changes."""
    files = {folder / SCHEMAS / f"{type_}.json": _json(schema) for type_, schema in sorted(schemas(messages).items())}
    return {**files, folder / DOCUMENT: _json(document(messages, names))}


def _broken(path: Path, messages: Iterable[WireMessage]) -> Iterator[str]:
    """Yield what a change of a message would break, if its file exists."""
    concerned = [each for each in messages if path.name == f"{each.type}.json"]
    if not concerned or not path.exists():
        return
    remedy = "give the changed message a type of its own, or, if nobody relies on this one yet, delete the file"
    try:
        old: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        yield f"{path} is no JSON ({error}): restore it, or delete it and {EXPORT}"
        return
    new = schemas(concerned)[concerned[0].type]
    for is_sent in {each.is_sent for each in concerned}:
        for problem in breaks(old, new, is_sent=is_sent):
            yield f"{path}: {problem}; {remedy}"


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
