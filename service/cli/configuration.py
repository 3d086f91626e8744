"""The settings as people meet them: by the names of their variables, with value, default, origin and meaning."""

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from saga_coordinator.service.cli.console import as_json, remark, table
from saga_coordinator.service.settings import Settings

PREFIX: Final = "SAGA_"
BETWEEN: Final = "__"
TEST_PREFIX: Final = "SAGA_TEST_"
"""Variables that belong to the tests."""

CREDENTIALS: Final = re.compile(r"//[^/@]*@")

ENVIRONMENT: Final = "environment"
DEFAULT: Final = "default"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. `value` and `default` are texts, None if not set; those of a secret are masked."""

    name: str
    value: str | None
    default: str | None
    origin: str
    description: str
    secret: bool


def config(*, as_json_: bool, markdown: bool) -> None:
    """Print all settings."""
    settings = load_settings()
    told = described(settings)
    if as_json_:
        as_json(told)
    elif markdown:
        typer.echo(settings_table(), nl=False)
    else:
        headings = ("variable", "value", "default", "from", "meaning")
        table(
            headings,
            [(each.name, each.value or "", each.default or "", each.origin, each.description) for each in told],
        )
    for problem in unknown_variables():
        remark(f"saga: {problem}")


def load_settings() -> Settings:
    """Read the settings from the environment. If one is wrong, say so by its name and end with 2."""
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        for problem in problems(error):
            remark(f"saga: {problem}")
        raise typer.Exit(2) from error


def problems(error: ValidationError | SettingsError) -> Iterator[str]:
    """Say which variable is wrong, what it holds unless that is secret, and what it must be."""
    if isinstance(error, SettingsError):
        yield from _of_groups()
        return
    known = {path: name for name, path, _ in fields()}
    secret = {path for _, path, field in fields() if _is_secret(field)}
    for each in error.errors(include_url=False, include_context=False):
        path = tuple(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden":
            yield _unknown(_variable(path))
        elif path in known:
            given = "" if path in secret else f"={_text(each['input'])}"
            yield f"{known[path]}{given}: {_requirement(each['msg'])}"
        else:
            yield f"{_variable(path)}{BETWEEN}*: {_requirement(each['msg'])}"


def unknown_variables() -> Iterator[str]:
    """Say which variables look like settings and are none, so that a slip of the pen is not silently ignored."""
    known = {name for name, _, _ in fields()} | {_variable((group,)) for group in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and not name.startswith(TEST_PREFIX) and name.upper() not in known:
            yield _unknown(name)


def described(settings: Settings) -> tuple[Setting, ...]:
    """Return all settings, as they are."""
    return tuple(
        Setting(
            name=name,
            value=_text(_value(settings, path)),
            default=_text(field.default),
            origin=ENVIRONMENT if _is_given(path) else DEFAULT,
            description=field.description or "",
            secret=_is_secret(field),
        )
        for name, path, field in fields()
    )


def settings_table() -> str:
    """Return the Markdown table of all settings, as it stands in the README."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, _, field in fields():
        default = "" if field.default is None else f"`{_text(field.default)}`"
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def fields(model: type[BaseModel] = Settings, path: Path = ()) -> Iterator[tuple[str, Path, FieldInfo]]:
    """Yield every setting: the name of its variable, its path in the model, its field."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, (*path, name))
        else:
            yield _variable((*path, name)), (*path, name), field


def _variable(path: Path) -> str:
    return PREFIX + BETWEEN.join(path).upper()


def _unknown(name: str) -> str:
    known = [each for each, _, _ in fields()]
    begun = [each for each in known if each.startswith(name.upper())]
    near = begun or difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.7)
    return f"{name} is no setting" + (f": did you mean {near[0]}?" if near else "; `saga config` lists them all")


def _requirement(message: str) -> str:
    """Turn pydantic's sentence into ours."""
    for prefix in ("Value error, ", "Input should be ", "String should "):
        if message.startswith(prefix):
            rest = message.removeprefix(prefix)
            return {"Input should be ": f"must be {rest}", "String should ": f"must {rest}"}.get(prefix, rest)
    return message


def _of_groups() -> Iterator[str]:
    """Say which group's variable holds something that is no JSON."""
    for group in sorted({path[0] for _, path, _ in fields() if len(path) > 1}):
        name = _variable((group,))
        try:
            json.loads(_environment().get(name, "{}"))
        except ValueError:
            yield f"{name}: must be a JSON object; or set its fields one by one, {name}{BETWEEN}FIELD"


def _is_given(path: Path) -> bool:
    """Say whether the environment sets a field, by its own variable or in its group's JSON."""
    given = _environment()
    if _variable(path) in given:
        return True
    return len(path) > 1 and path[-1] in json.loads(given.get(_variable(path[:-1]), "{}"))


def _environment() -> Mapping[str, str]:
    """Return the environment as the settings see it: the case of names does not matter."""
    return {name.upper(): value for name, value in os.environ.items()}


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))


def _value(settings: Settings, path: Path) -> Any:  # noqa: ANN401  whatever a setting holds
    value: Any = settings
    for name in path:
        value = getattr(value, name)
    return value


def _text(value: object) -> str | None:
    """Write a value; what stands before the host of an address may be a password."""
    return None if value is None else CREDENTIALS.sub("//***@", str(value))
