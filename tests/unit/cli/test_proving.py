"""`saga test`: a saga tried with every fault at every moment, and what came of it."""

import sys
from pathlib import Path

import pytest

from tests.support.project_tree import ROOT
from tests.unit.cli._support.said import Saga


@pytest.fixture(autouse=True)
def _tests_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])


def test_the_table_says_for_each_step_and_fault_where_the_instance_ends(saga: Saga) -> None:
    out = saga.does("test", "tests.unit.testing._support.sample_sagas:two_steps").out

    rows = [line.split("  ") for line in out.splitlines()]
    shown = {(row[0].strip(), next(each for each in row[1:] if each).strip()) for row in rows if len(row) > 2}
    assert {
        ("a", "refuses"),
        ("undo of a", "times out, never answers"),
        ("(the whole)", "cancelled at any moment"),
    } <= shown
    assert out.splitlines()[-1].endswith(" 0 violations")


def test_a_saga_of_the_catalog_is_tried_by_its_name_and_reported_as_json(saga: Saga) -> None:
    shown = saga.does("test", "order-fulfilment", "--depth", "0", "--json").json

    assert (shown["ok"], shown["complete"], shown["saga"], shown["violations"]) == (True, True, "order-fulfilment", [])
    assert {cell["fault"] for cell in shown["cells"]} == {"succeeds"}


def test_a_violated_invariant_ends_with_1_and_the_test_that_shows_it(saga: Saga) -> None:
    said = saga("test", "tests.unit.testing._support.unguarded:unguarded")

    assert said.code == 1
    assert "the_definition_never_raises: step charge: compensate refund, " in said.out
    assert (
        '        given(unguarded, Begun())\n        .expects("charge")\n        .passes(timedelta(minutes=5))'
        in said.out
    )


def test_samples_of_the_author_are_taken(saga: Saga, tmp_path: Path) -> None:
    (tmp_path / "own_samples.py").write_text("from tests.support.saga_kit import Begun\nmine = (Begun(coins=0),)\n")

    said = saga.does("test", "tests.unit.testing._support.sample_sagas:choice", "--samples", "own_samples:mine")

    assert "d was never reached: give a sample that leads there (--samples MODULE:NAME)" in said.err


@pytest.mark.parametrize(
    "where", ["no_such_module:mine", "own_samples", "tests.unit.testing._support.sample_sagas:TWICE"]
)
def test_samples_that_are_none_are_a_wrong_command_line(saga: Saga, where: str) -> None:
    assert saga("test", "tests.unit.testing._support.sample_sagas:choice", "--samples", where).code == 2


def test_a_sample_without_use_ends_with_1_and_the_reason(saga: Saga) -> None:
    said = saga("test", "order-fulfilment", "--samples", "tests.unit.testing._support.sample_sagas:UNWANTED")

    assert said.code == 1
    assert "saga order-fulfilment has no use for the sample Paid" in said.err


def test_more_states_than_allowed_are_no_proof(saga: Saga) -> None:
    said = saga("test", "tests.unit.testing._support.sample_sagas:two_steps", "--max-states", "20")

    assert said.code == 1
    assert said.err == "saga: saga made has more than 20 states at depth 1: raise --max-states, or lower --depth\n"


def test_a_place_with_several_sagas_is_no_saga(saga: Saga) -> None:
    assert saga("test", "no-such-saga").code == 1
