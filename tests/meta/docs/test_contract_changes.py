"""A change of a message that would break those who rely on its committed schema is found, and never written over it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from saga_coordinator.service.asyncapi.changes import breaks
from saga_coordinator.service.asyncapi.export import check, export
from tests.meta.architecture.tree import ROOT

COMMITTED = ROOT / "contracts"
TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
OR_NULL = {"anyOf": [TEXT, {"type": "null"}]}


def of(required: tuple[str, ...], **fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}


def nested(part: Mapping[str, Any]) -> dict[str, Any]:
    lines = {"type": "array", "items": {"$ref": "#/$defs/Line"}}
    return {**of(("lines",), lines=lines), "$defs": {"Line": part}}


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        pytest.param(of(("a", "b"), a=TEXT, b=TEXT), of(("a",), a=TEXT), "b", id="removed"),
        pytest.param(of(("a",), a=TEXT), of(("b",), b=TEXT), "a", id="renamed"),
        pytest.param(of(("a",), a=TEXT), of(("a",), a=WHOLE), "a", id="retyped"),
        pytest.param(nested(of(("a",), a=TEXT)), nested(of((), b=TEXT)), "lines[].a", id="removed within a list"),
        pytest.param(nested(of(("a",), a=TEXT)), nested(of(("a",), a=NUMBER)), "lines[].a", id="retyped within a list"),
    ],
)
def test_a_required_field_that_is_gone_or_of_another_type_breaks_somebody(
    old: dict[str, Any], new: dict[str, Any], where: str, *, is_sent: bool
) -> None:
    assert [each for each in breaks(old, new, is_sent=is_sent) if each.startswith(f"{where} ")]


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        pytest.param(of(("a",), a=TEXT), of((), a=TEXT), id="required or not"),
        pytest.param(of(("a",), a=TEXT), of(("a",), a=OR_NULL), id="null or never"),
        pytest.param(of(("a",), a=WHOLE), of(("a",), a=NUMBER), id="whole numbers or all"),
        pytest.param(of(("a",), a={**TEXT, "maxLength": 5}), of(("a",), a={**TEXT, "maxLength": 9}), id="shorter"),
        pytest.param(of(("a",), a={**TEXT, "pattern": "^x"}), of(("a",), a=TEXT), id="of a pattern or any"),
        pytest.param(of(("a",), a={"enum": ["x"]}), of(("a",), a={"enum": ["x", "y"]}), id="some of the values"),
    ],
)
def test_what_is_sent_may_become_narrower_and_what_is_read_wider_but_not_the_other_way(
    narrow: dict[str, Any], wide: dict[str, Any]
) -> None:
    assert list(breaks(wide, narrow, is_sent=True)) == list(breaks(narrow, wide, is_sent=False)) == []
    assert list(breaks(narrow, wide, is_sent=True))
    assert list(breaks(wide, narrow, is_sent=False))


def test_a_further_field_in_what_is_sent_breaks_nobody() -> None:
    assert list(breaks(of(("a",), a=TEXT), of(("a", "b"), a=TEXT, b=TEXT), is_sent=True)) == []


def test_a_further_field_that_senders_may_leave_out_breaks_nobody() -> None:
    assert list(breaks(of(("a",), a=TEXT), of(("a",), a=TEXT, b=TEXT), is_sent=False)) == []


def test_words_for_people_may_change() -> None:
    old, new = of(("a",), a=TEXT), {**of(("a",), a={**TEXT, "description": "b"}), "title": "c"}
    assert list(breaks(old, new, is_sent=True)) == list(breaks(old, new, is_sent=False)) == []


def test_a_model_that_contains_itself_is_compared_to_its_end() -> None:
    tree = {**of(("root",), root={"$ref": "#/$defs/T"}), "$defs": {"T": of((), a=TEXT, child={"$ref": "#/$defs/T"})}}
    changed = {**tree, "$defs": {"T": of((), a=WHOLE, child={"$ref": "#/$defs/T"})}}
    assert list(breaks(tree, tree, is_sent=True)) == []
    assert [each.split()[0] for each in breaks(tree, changed, is_sent=True)] == ["root.a"]


def test_an_export_leaves_a_promise_that_it_would_break_and_the_check_says_so(tmp_path: Path) -> None:
    file = with_a_further_field(tmp_path)
    promised = file.read_bytes()
    assert export(tmp_path) == []
    assert file.read_bytes() == promised
    (problem,) = check(tmp_path)
    assert "reserve-stock.v1.json: warehouse is not what its readers were promised" in problem
    assert "give the changed message a type of its own" in problem


def test_a_promise_that_nobody_relies_on_is_taken_back_by_deleting_its_file(tmp_path: Path) -> None:
    file = with_a_further_field(tmp_path)
    file.unlink()
    assert check(tmp_path) == [f"{file} is missing: run `saga contracts export`"]
    assert export(tmp_path) == [file]
    assert check(tmp_path) == []


def test_a_file_that_is_out_of_date_missing_or_left_over_is_named(tmp_path: Path) -> None:
    export(tmp_path)
    done = tmp_path / "schemas" / "saga.done.v1.json"
    done.write_text(done.read_text(encoding="utf-8").replace("Done", "Finished"), encoding="utf-8")
    (tmp_path / "asyncapi.yaml").unlink()
    (tmp_path / "schemas" / "old.v1.json").write_text("{}", encoding="utf-8")
    told = " ".join(check(tmp_path))
    assert "saga.done.v1.json is not up to date" in told
    assert "asyncapi.yaml is missing" in told
    assert "old.v1.json: no saga says this message any more" in told


def with_a_further_field(folder: Path) -> Path:
    """A copy of the committed files, as if a command had once had a field more."""
    shutil.copytree(COMMITTED / "schemas", folder / "schemas")
    shutil.copy(COMMITTED / "asyncapi.yaml", folder)
    file = folder / "schemas" / "inventory.reserve-stock.v1.json"
    promised = json.loads(file.read_text(encoding="utf-8"))
    promised["properties"]["warehouse"] = TEXT
    promised["required"].append("warehouse")
    file.write_text(json.dumps(promised), encoding="utf-8")
    return file
