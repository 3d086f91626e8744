"""Our names are those of the conventions that we say we follow."""

from importlib import import_module
from typing import Final

from opentelemetry.semconv.schemas import Schemas

from saga_coordinator.service.telemetry import conventions

GROUPS: Final = ("messaging", "cloudevents", "error")


def test_every_name_that_is_not_the_sagas_own_is_in_the_conventions() -> None:
    known = set()
    for group in GROUPS:
        module = import_module(f"opentelemetry.semconv._incubating.attributes.{group}_attributes")
        known |= {value for value in vars(module).values() if isinstance(value, str)}
    ours = {
        value
        for name, value in vars(conventions).items()
        if isinstance(value, str) and value.startswith(tuple(f"{group}." for group in GROUPS)) and name.isupper()
    }

    assert len(ours) == 12
    assert ours <= known


def test_the_schema_is_one_that_the_installed_conventions_know() -> None:
    assert Schemas(conventions.SCHEMA_URL) is Schemas.V1_44_0
