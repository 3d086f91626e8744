"""Shares the tests out among the workers of pytest-xdist (`--dist loadgroup`).

Tests that share a fixture of their module or class run one after the other in one worker. Every other test goes to the
next free worker. The longest start first: the limit of a test (`pytest.mark.timeout`) shows how long it can take.
"""

import pytest

ORDINARY_LIMIT = 120.0
"""Of a slow test that sets none, as in pyproject.toml."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group and sort the tests of a worker; without workers they keep their order."""
    if not is_worker(config):
        return
    for item in items:
        if _shares_a_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.path.as_posix()))
    items.sort(key=_limit, reverse=True)


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is a worker. What its tests start has its environment, and is none."""
    return hasattr(config, "workerinput")


def _shares_a_fixture(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    definitions = item._fixtureinfo.name2fixturedefs.values()  # noqa: SLF001  pytest has no other way to the scopes
    return any(each.scope in {"module", "class"} for found in definitions for each in found)


def _limit(item: pytest.Item) -> float:
    if limit := item.get_closest_marker("timeout"):
        return float(limit.args[0])
    is_long = item.get_closest_marker("slow") or item.get_closest_marker("kafka")
    return ORDINARY_LIMIT if is_long else 0.0
