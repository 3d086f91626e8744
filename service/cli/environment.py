"""Reads the settings, and says what is wrong with them by the names of their variables."""

import json
import logging
import os
import pathlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import typer
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from saga_coordinator.sagas.language.wording import suggest
from saga_coordinator.service.cli.console import report
from saga_coordinator.service.settings import FILE, Settings

PREFIX: Final = "SAGA_"
BETWEEN: Final = "__"
TEST_PREFIX: Final = "SAGA_TEST_"
"""Variables that belong to the tests."""

SERVICE_LINK: Final = re.compile(
    r"SAGA(_\w+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""Variables that Kubernetes gives to every container for a service whose name begins with `saga`."""

CREDENTIALS: Final = re.compile(r"//[^/@]*@")

Path = tuple[str, ...]


def load_settings(report: Callable[[str], None] = report) -> Settings:
    """Return the settings; print each that is wrong or unknown, and exit with 2 if there is one."""
    wrong = list(unknown_variables())
    try:
        settings = Settings()
    except (SettingsError, ValueError, OSError) as error:
        wrong += problems(error)
    else:
        if not wrong:
            return settings
    for problem in dict.fromkeys(wrong):
        report(problem)
    raise typer.Exit(2)


def problems(error: SettingsError | ValueError | OSError) -> Iterator[str]:
    """Yield which variable is wrong, what it holds unless that is secret, and what it must be."""
    if isinstance(error, SettingsError):
        yield from _group_problems()
        return
    if not isinstance(error, ValidationError):
        yield f"{FILE}={os.environ.get(FILE)}: must be a file in TOML, such as [kafka] with batch = 500: {error}"
        return
    known = {path: name for name, path, _ in fields()}
    secret = {path for _, path, field in fields() if is_secret(field)}
    for each in error.errors(include_url=False, include_context=False):
        path = tuple(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden":
            yield _unknown(_variable(path)) + _where(path)
        elif path in known:
            given = "" if path in secret else f"={format_value(each['input'])}"
            yield f"{known[path]}{given}{_where(path)}: {_requirement(each['msg'])}"
        else:
            yield f"{_variable(path)}{BETWEEN}*: {_requirement(each['msg'])}"


def unknown_variables() -> Iterator[str]:
    """Yield which variables look like settings and are none, so that a misspelt one is not silently ignored."""
    known = {name for name, _, _ in fields()} | {_variable((group,)) for group in Settings.model_fields}
    for name, value in sorted(os.environ.items()):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not _is_of_others(upper, value):
            yield _unknown(name)


def fields(model: type[BaseModel] = Settings, path: Path = ()) -> Iterator[tuple[str, Path, FieldInfo]]:
    """Yield every setting: the name of its variable, its path in the model, its field."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, (*path, name))
        else:
            yield _variable((*path, name)), (*path, name), field


def origin(path: Path) -> str | None:
    """Return where a field is set: "environment" (by its own variable or in its group's JSON), "file", or None."""
    environment = _environment()
    group = environment.get(_variable(path[:-1]), "{}") if len(path) > 1 else "{}"
    if _variable(path) in environment or path[-1] in json.loads(group):
        return "environment"
    if (file := environment.get(FILE)) is None:
        return None
    try:
        whole: Any = tomllib.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    for name in path:
        whole = whole.get(name) if isinstance(whole, dict) else None
    return None if whole is None else "file"


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))


def format_value(value: object) -> str | None:
    """Return a value as text. What precedes the host of an address may be a password, and is masked."""
    return None if value is None else CREDENTIALS.sub("//***@", str(value))


def silence_libraries() -> None:
    """Drop the log of Kafka's client: the verb itself says what happened."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())


def _variable(path: Path) -> str:
    return PREFIX + BETWEEN.join(path).upper()


def _is_of_others(name: str, value: str) -> bool:
    """Return whether a variable belongs to the tests, or is one that Kubernetes makes of a service of this name."""
    if name.startswith(TEST_PREFIX) or SERVICE_LINK.fullmatch(name):
        return True
    return name.endswith("_PORT") and value.startswith(("tcp://", "udp://", "sctp://"))


def _where(path: Path) -> str:
    """Return in which file a field is set, if it is."""
    return f" (in {os.environ.get(FILE)})" if origin(path) == "file" else ""


def _unknown(name: str) -> str:
    known = [each for each, _, _ in fields()]
    return f"{name} is no setting: {suggest(name.upper(), known, '`saga config` lists them all', cutoff=0.7)}"


def _requirement(message: str) -> str:
    """Return the requirement in a sentence of pydantic's."""
    for prefix in ("Value error, ", "Input should be ", "String should "):
        if message.startswith(prefix):
            rest = message.removeprefix(prefix)
            return {"Input should be ": f"must be {rest}", "String should ": f"must {rest}"}.get(prefix, rest)
    return message


def _group_problems() -> Iterator[str]:
    """Yield which group's variable holds something that is no JSON."""
    for group in sorted({path[0] for _, path, _ in fields() if len(path) > 1}):
        name = _variable((group,))
        try:
            json.loads(_environment().get(name, "{}"))
        except ValueError:
            yield f"{name}: must be a JSON object; or set its fields one by one, {name}{BETWEEN}FIELD"


def _environment() -> Mapping[str, str]:
    """Return the environment as the settings see it: the case of names does not matter."""
    return {name.upper(): value for name, value in os.environ.items()}
