"""A change of a message that breaks readers or senders of its committed schema is reported and never exported."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from saga_coordinator.service.asyncapi.compatibility import breaks
from saga_coordinator.service.asyncapi.export import check, export
from tests.support.project_tree import ROOT

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
def test_a_required_field_that_is_removed_or_has_another_type_is_a_break(
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
def test_a_sent_message_can_become_narrower_and_a_received_one_wider_but_not_vice_versa(
    narrow: dict[str, Any], wide: dict[str, Any]
) -> None:
    assert list(breaks(wide, narrow, is_sent=True)) == list(breaks(narrow, wide, is_sent=False)) == []
    assert list(breaks(narrow, wide, is_sent=True))
    assert list(breaks(wide, narrow, is_sent=False))


def test_an_additional_field_in_a_sent_message_is_no_break() -> None:
    assert list(breaks(of(("a",), a=TEXT), of(("a", "b"), a=TEXT, b=TEXT), is_sent=True)) == []


def test_an_additional_optional_field_in_a_received_message_is_no_break() -> None:
    assert list(breaks(of(("a",), a=TEXT), of(("a",), a=TEXT, b=TEXT), is_sent=False)) == []


def test_titles_and_descriptions_can_change() -> None:
    old, new = of(("a",), a=TEXT), {**of(("a",), a={**TEXT, "description": "b"}), "title": "c"}
    assert list(breaks(old, new, is_sent=True)) == list(breaks(old, new, is_sent=False)) == []


def test_a_model_that_contains_itself_is_compared_to_its_end() -> None:
    tree = {**of(("root",), root={"$ref": "#/$defs/T"}), "$defs": {"T": of((), a=TEXT, child={"$ref": "#/$defs/T"})}}
    changed = {**tree, "$defs": {"T": of((), a=WHOLE, child={"$ref": "#/$defs/T"})}}
    assert list(breaks(tree, tree, is_sent=True)) == []
    assert [each.split()[0] for each in breaks(tree, changed, is_sent=True)] == ["root.a"]


def test_an_export_keeps_a_schema_that_it_would_break_and_the_check_reports_it(tmp_path: Path) -> None:
    file = with_an_additional_field(tmp_path)
    promised = file.read_bytes()
    assert export(tmp_path) == []
    assert file.read_bytes() == promised
    (problem,) = check(tmp_path)
    assert "reserve-stock.v1.json: warehouse does not match what its readers were promised" in problem
    assert "give the changed message a type of its own" in problem


def test_a_schema_that_nobody_uses_is_replaced_after_its_file_is_deleted(tmp_path: Path) -> None:
    file = with_an_additional_field(tmp_path)
    file.unlink()
    assert check(tmp_path) == [f"{file} is missing: run `saga contracts export`"]
    assert export(tmp_path) == [file]
    assert check(tmp_path) == []


def test_an_outdated_missing_or_obsolete_file_is_reported(tmp_path: Path) -> None:
    export(tmp_path)
    done = tmp_path / "schemas" / "saga.done.v1.json"
    done.write_text(done.read_text(encoding="utf-8").replace("Done", "Finished"), encoding="utf-8")
    (tmp_path / "asyncapi.json").unlink()
    (tmp_path / "schemas" / "old.v1.json").write_text("{}", encoding="utf-8")
    problems = " ".join(check(tmp_path))
    assert "saga.done.v1.json is not up to date" in problems
    assert "asyncapi.json is missing" in problems
    assert "old.v1.json: no saga sends or receives this message any more" in problems


def with_an_additional_field(folder: Path) -> Path:
    """Copy the committed files, with an additional field in one command."""
    shutil.copytree(COMMITTED / "schemas", folder / "schemas")
    shutil.copy(COMMITTED / "asyncapi.json", folder)
    file = folder / "schemas" / "inventory.reserve-stock.v1.json"
    promised = json.loads(file.read_text(encoding="utf-8"))
    promised["properties"]["warehouse"] = TEXT
    promised["required"].append("warehouse")
    file.write_text(json.dumps(promised), encoding="utf-8")
    return file
