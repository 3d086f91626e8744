"""`saga lint` and `saga graph`: definitions, checked and drawn."""

from pathlib import Path

import pytest

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.diagrams.mermaid import mermaid
from saga_coordinator.sagas.diagrams.svg.document import svg
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import refused_at_shipping, run_stories

UNSOUND = """
from datetime import timedelta
from dataclasses import replace
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment, reserve_stock, ship_order
from saga_coordinator import pivot, step
catalog = (replace(order_fulfilment, steps=(
    step("reserve-stock", reserve_stock), pivot("ship-order", ship_order), pivot("Ship Again", ship_order),
)),)
"""


def test_a_sound_catalog_is_listed_saga_by_saga(saga: Saga) -> None:
    assert saga.does("lint").out == "ok: order-fulfilment v1, 5 steps\n"
    assert saga.does("lint", "--json").json == {
        "ok": True,
        "sagas": [{"saga": "order-fulfilment", "version": 1, "steps": 5}],
        "problems": [],
    }


def test_a_single_saga_can_be_checked_by_its_place_in_the_code(saga: Saga) -> None:
    assert (
        saga.does("lint", "saga_coordinator.sagas.catalog.order_fulfilment:order_fulfilment").out
        == "ok: order-fulfilment v1, 5 steps\n"
    )


def test_every_problem_of_an_unsound_saga_of_the_working_directory_is_reported(saga: Saga, tmp_path: Path) -> None:
    (tmp_path / "unsound_catalog.py").write_text(UNSOUND)

    said = saga("lint", "unsound_catalog:catalog")
    shown = saga("lint", "unsound_catalog:catalog", "--json")

    assert (said.code, shown.code) == (1, 1)
    assert shown.json["problems"] == said.err.splitlines()
    assert len(shown.json["problems"]) == 3
    begins = f"{tmp_path}/unsound_catalog.py:6: saga order-fulfilment: "
    assert all(problem.startswith(begins) for problem in shown.json["problems"])
    assert "step reserve-stock changes something before the pivot and cannot be undone: give it" in said.err


@pytest.mark.parametrize(
    ("files", "catalog", "reason"),
    [
        (
            {"lacking.py": "x = 1\nimport nosuch\n"},
            "lacking:catalog",
            "importing lacking raises ModuleNotFoundError: No module named 'nosuch'\n  {here}/lacking.py:2 in <module>",
        ),
        (
            {"importing.py": "import odd\n", "odd.py": "x = 1\ndef f(:\n"},
            "importing:catalog",
            "importing importing raises SyntaxError: invalid syntax (odd.py, line 2)\n  {here}/importing.py:1 in",
        ),
        (
            {"raising.py": "def f():\n    return y\n\nf()\n"},
            "raising:catalog",
            "importing raising raises NameError: name 'y' is not defined\n  {here}/raising.py:4 in <module>\n  {here}",
        ),
        ({}, "nowhere.at:all", "there is no module nowhere: it is looked for in the working directory and"),
        ({"number.py": "catalog = 5"}, "number:catalog", "it holds 5: it must be a saga, or a tuple of sagas"),
        ({"empty.py": "catalog = ()"}, "empty:catalog", "it is empty: it must be a saga, or a tuple of at least one"),
        ({"near.py": "catalog = ()"}, "near:katalog", "{here}/near.py has no 'katalog': did you mean catalog?"),
    ],
)
def test_a_catalog_that_cannot_be_had_says_at_which_file_and_line(
    saga: Saga, tmp_path: Path, files: dict[str, str], catalog: str, reason: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    for verb in (["lint", catalog], ["graph", catalog]):
        said = saga(*verb)
        assert said.code == 1
        assert f"{catalog}: {reason.format(here=tmp_path)}" in said.err
        assert len(said.err.splitlines()) <= 4


def test_a_catalog_of_one_saga_needs_no_comma(saga: Saga, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment\ncatalog = (order_fulfilment)"
    )
    (tmp_path / "catalog_of_one.py").write_text(source)
    monkeypatch.setenv("SAGA_CATALOG", "catalog_of_one:catalog")

    assert saga.does("lint").out == "ok: order-fulfilment v1, 5 steps\n"


def test_an_unsound_catalog_is_one_reason_and_no_traceback_for_every_verb(
    saga: Saga, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unsound_for_all.py").write_text(UNSOUND)
    monkeypatch.setenv("SAGA_CATALOG", "unsound_for_all:catalog")

    for verb in (["serve"], ["ls"], ["topics", "plan"], ["graph"]):
        said = saga(*verb)
        assert said.code == 1
        assert "cannot be undone" in said.err


@pytest.mark.parametrize(
    "where",
    ["no_such_module:catalog", "saga_coordinator.sagas.catalog:nothing", "saga_coordinator.sagas.catalog:__name__"],
)
def test_a_place_without_sagas_says_what_is_wrong_with_it(saga: Saga, where: str) -> None:
    said = saga("lint", where)

    assert said.code == 1
    assert said.err.startswith(where)


def test_a_place_that_is_none_is_a_wrong_command_line(saga: Saga) -> None:
    assert saga("lint", "saga_coordinator.sagas.catalog").code == 2


def test_an_error_that_nobody_has_expected_keeps_its_traceback(saga: Saga, tmp_path: Path) -> None:
    (tmp_path / "broken_catalog.py").write_text("def __getattr__(name): return 1 / 0\n")

    with pytest.raises(ZeroDivisionError):
        saga("lint", "broken_catalog:catalog")


def test_the_graph_of_a_saga_is_a_mermaid_flowchart(saga: Saga) -> None:
    drawn = saga.does("graph", "order-fulfilment").out

    assert drawn.startswith("flowchart LR\n")
    assert "reserve-stock" in drawn
    assert saga.does("graph", "--json").json == [
        {"saga": "order-fulfilment", "version": 1, "instance": None, "mermaid": drawn}
    ]


def test_an_instance_is_drawn_on_its_saga(saga: Saga, store: Path) -> None:
    run_stories(store, refused_at_shipping("o-1"))

    drawn = saga.does("graph", "--instance", "o-1").out

    assert 'ship-order<br/>pivot: no way back<br/>refused"}}:::refused' in drawn


def test_a_saga_is_drawn_as_svg(saga: Saga) -> None:
    drawn = saga.does("graph", "order-fulfilment", "--format", "svg").out

    assert drawn == svg(order_fulfilment)
    assert saga.does("graph", "--format", "svg", "--json").json == [
        {"saga": "order-fulfilment", "version": 1, "instance": None, "svg": drawn}
    ]


def test_a_picture_is_written_to_a_file_whose_name_says_its_form(saga: Saga, tmp_path: Path) -> None:
    picture, text = tmp_path / "order.svg", tmp_path / "order.mmd"

    assert saga.does("graph", "order-fulfilment", "-o", str(picture)).out == ""
    assert saga.does("graph", "order-fulfilment", "--output", str(text)).out == ""

    assert picture.read_text(encoding="utf-8") == svg(order_fulfilment)
    assert text.read_text(encoding="utf-8") == mermaid(order_fulfilment)


def test_the_form_that_is_asked_for_counts_more_than_the_name_of_the_file(saga: Saga, tmp_path: Path) -> None:
    file = tmp_path / "order.svg"
    saga.does("graph", "order-fulfilment", "--format", "mermaid", "-o", str(file))

    assert file.read_text(encoding="utf-8") == mermaid(order_fulfilment)


def test_an_instance_is_drawn_as_svg_with_its_state(saga: Saga, store: Path) -> None:
    run_stories(store, refused_at_shipping("o-1"))

    drawn = saga.does("graph", "--instance", "o-1", "--format", "svg").out

    assert "instance o-1: compensat" in drawn
    assert ">refused</text>" in drawn


def test_sagas_at_a_place_in_the_code_are_drawn_one_after_the_other(saga: Saga) -> None:
    drawn = saga.does("graph", "saga_coordinator.sagas.catalog.examples:catalog").out

    assert [line for line in drawn.splitlines() if line.startswith("%%")] == [
        "%% employee-onboarding v1",
        "%% server-provisioning v1",
        "%% release v1",
    ]


def test_one_svg_is_one_picture(saga: Saga) -> None:
    said = saga("graph", "saga_coordinator.sagas.catalog.examples:catalog", "--format", "svg")

    assert (said.code, said.out) == (1, "")
    assert "name one of employee-onboarding, server-provisioning, release" in said.err


def test_a_file_that_cannot_be_written_is_a_reason(saga: Saga, tmp_path: Path) -> None:
    said = saga("graph", "order-fulfilment", "-o", str(tmp_path / "nowhere" / "order.svg"))

    assert said.code == 1
    assert said.err.startswith("saga: cannot write ")
    assert "No such file or directory" in said.err


def test_the_examples_are_sound(saga: Saga) -> None:
    assert saga.does("lint", "saga_coordinator.sagas.catalog.examples:catalog").out.splitlines() == [
        "ok: employee-onboarding v1, 8 steps",
        "ok: server-provisioning v1, 9 steps",
        "ok: release v1, 6 steps",
    ]


def test_an_unknown_saga_is_reported_with_the_known_ones(saga: Saga) -> None:
    said = saga("graph", "order-fulfillment")

    assert said.code == 1
    assert said.err == "saga: there is no saga 'order-fulfillment' in the catalog; it has order-fulfilment\n"
