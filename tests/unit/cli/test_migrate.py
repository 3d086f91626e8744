"""`saga migrate --plan`: what would become of live instances in another version of their saga."""

from pathlib import Path

import pytest

from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import completed, placed, refused_at_shipping, run_stories, shipped

PLAN = ("migrate", "order-fulfilment", "--from", "1", "--to", "2", "--plan")
ALL = (placed("o-1"), shipped("o-2"), completed("o-3"), refused_at_shipping("o-4", undone=False))


def catalog(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SAGA_CATALOG", f"tests.unit.cli._support.versions:{name}")


def test_live_instances_move_by_themselves_where_nothing_is_in_the_way(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, *ALL)
    catalog(monkeypatch, "catalog")
    before = store.read_bytes()

    assert saga.does(*PLAN).out.splitlines()[-1] == "3 live instances of order-fulfilment v1 -> v2: 3 moves"
    shown = saga.does(*PLAN, "--json").json
    assert (shown["ok"], shown["counts"]["moves"]) == (True, 3)
    assert sorted(each["key"] for each in shown["instances"]) == ["o-1", "o-2", "o-4"]
    assert store.read_bytes() == before


def test_a_plan_that_would_lose_an_undo_is_refused_by_name(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, *ALL)
    catalog(monkeypatch, "uncharged")

    said, shown = saga(*PLAN), saga(*PLAN, "--json")

    assert (said.code, shown.code) == (1, 1)
    assert "the undo of charge-card would be lost" in said.out
    assert "the plan is refused" in said.err
    fates = {each["key"]: each["fate"] for each in shown.json["instances"]}
    assert fates == {"o-1": "refused", "o-2": "moves", "o-4": "refused"}


def test_what_the_mapping_lets_drain_is_no_reason_to_refuse(
    saga: Saga, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, *ALL)
    catalog(monkeypatch, "uncharged")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('drains = ["charge-card"]\n')

    shown = saga.does(*PLAN, "--mapping", str(mapping), "--json").json
    assert shown["counts"] == {"moves": 0, "needs a mapping": 0, "drains": 3, "refused": 0}


def test_a_renamed_step_is_asked_for_and_moves_with_its_mapping(
    saga: Saga, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, *ALL)
    catalog(monkeypatch, "renamed")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[steps]\ncharge-card = "take-money"\n')

    asked = saga.does(*PLAN)
    assert 'write charge-card = "take-money" under [steps]' in asked.out
    shown = saga.does(*PLAN, "--mapping", str(mapping), "--json").json
    assert shown["counts"]["moves"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[steps]\nx = "y"\n', "version 1 has no such node"),
        ("[steps\n", "is no TOML"),
        ("[nodes]\n", "nodes: Extra inputs are not permitted"),
        (None, "cannot read the mapping"),
    ],
)
def test_a_mapping_that_is_none_is_a_reason(
    saga: Saga, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, text: str | None, message: str
) -> None:
    run_stories(store, placed("o-1"))
    catalog(monkeypatch, "renamed")
    mapping = tmp_path / "mapping.toml"
    if text is not None:
        mapping.write_text(text)

    said = saga(*PLAN, "--mapping", str(mapping))
    assert said.code == 1
    assert message in said.err


def test_a_version_that_is_not_there_is_a_reason_and_without_plan_nothing_is_done(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))

    assert "the catalog has no version 2 of saga order-fulfilment" in saga(*PLAN).err
    assert saga(*PLAN[:-1]).code == 2
