"""Writes down what a catalog says, as JSON Schemas and an AsyncAPI document, and guards what was written before.

A schema that is written is a promise. One that would break who relies on it is never written over: such a message
gets a type of its own (`.v2`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.catalog import catalog as own_catalog
from saga_coordinator.service.asyncapi.changes import breaks
from saga_coordinator.service.asyncapi.conversation import WireMessage, conversation, schemas
from saga_coordinator.service.asyncapi.document import SCHEMAS, document
from saga_coordinator.service.asyncapi.yaml_text import yaml

DOCUMENT: Final = "asyncapi.yaml"
EXPORT: Final = "run `saga contracts export`"


def export(folder: Path, catalog: Iterable[AnySaga] = own_catalog) -> list[Path]:
    """Bring `schemas/*.json` and `asyncapi.yaml` in a folder up to date, and return the files that were written.

    A schema is left as it is if its change would break somebody; `check` says so. No file is deleted.
    """
    said = conversation(catalog)
    written = []
    for path, text in _texts(folder, said).items():
        if not _is(path, text) and not list(_broken(path, said)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def check(folder: Path, catalog: Iterable[AnySaga] = own_catalog) -> list[str]:
    """Return what is wrong with the files in a folder, each with its remedy; nothing if they say what the code says."""
    said = conversation(catalog)
    return list(_problems(folder, said))


def _problems(folder: Path, said: tuple[WireMessage, ...]) -> Iterator[str]:
    texts = _texts(folder, said)
    for path, text in texts.items():
        if not path.exists():
            yield f"{path} is missing: {EXPORT}"
        elif broken := list(_broken(path, said)):
            yield from broken
        elif not _is(path, text):
            yield f"{path} is not up to date: {EXPORT}"
    for path in sorted((folder / SCHEMAS).glob("*.json")):
        if path not in texts:
            yield f"{path}: no saga says this message any more; delete the file when nobody relies on it"


def _texts(folder: Path, said: tuple[WireMessage, ...]) -> dict[Path, str]:
    """Return the files as they should be. Their order never changes."""
    told = {folder / SCHEMAS / f"{type_}.json": _json(schema) for type_, schema in sorted(schemas(said).items())}
    return {**told, folder / DOCUMENT: yaml(document(said))}


def _broken(path: Path, said: Iterable[WireMessage]) -> Iterator[str]:
    """Say whom a change of a message would break, if its file is there."""
    concerned = [each for each in said if path.name == f"{each.type}.json"]
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
