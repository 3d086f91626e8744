"""Whatever a person types, into the environment or behind `saga explain`: taken, or refused with a text."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from saga_coordinator.service.app.database import path_of
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.views.text import parse_place
from tests.unit.handlers._support import fuzzed


def variables(model: type[BaseModel], prefix: str) -> list[str]:
    """The names of all settings, groups too."""
    found = []
    for name, field in model.model_fields.items():
        found.append(f"{prefix}{name.upper()}")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += variables(field.annotation, f"{prefix}{name.upper()}__")
    return found


NAMES = variables(Settings, "SAGA_")
typed = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
odd = st.sampled_from(["", " ", "0", "-1", "1e999", "nan", "9" * 5_000, "{}", "[", "null", '{"batch": []}', "a:99999"])
near = st.sampled_from(["kafka-1:9092", "sqlite:///a.db", "sqlite:////x/y", "127.0.0.1:8080", "PLAINTEXT", "10", "0.5"])


@fuzzed.tried(300)
@given(st.dictionaries(st.sampled_from(NAMES), typed | odd | near, max_size=6))
def test_any_environment_gives_settings_or_says_which_is_wrong(environment: Mapping[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            made = Settings()
        except (ValidationError, SettingsError):
            return
        assert path_of(made).name
        assert made.outbox_limit >= 1


places = st.builds(
    lambda *parts: ":".join(parts), typed, st.integers().map(str) | typed, st.integers().map(str) | odd | typed
)


@fuzzed.tried(300)
@given(typed | odd | places)
def test_any_place_is_parsed_or_refused(text: str) -> None:
    try:
        place = parse_place(text)
    except ValueError:
        return
    assert place.topic
    assert place.partition >= 0
    assert place.offset >= 0
