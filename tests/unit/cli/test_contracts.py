"""`saga contracts` writes down what the catalog says, and notices what differs."""

from pathlib import Path

from tests.unit.cli._support.said import Saga


def test_the_committed_contracts_say_what_the_code_says() -> None:
    folder = Path(__file__).parents[3] / "contracts"

    assert "the files match the code" in Saga().does("contracts", "check", "--folder", str(folder)).out


def test_what_is_missing_fails_the_check_and_is_written_by_export(tmp_path: Path) -> None:
    saga = Saga()
    before = saga("contracts", "check", "--folder", str(tmp_path))
    assert before.code == 1
    assert "saga contracts export" in before.err

    written = saga.does("contracts", "export", "--folder", str(tmp_path), "--json").json["written"]
    assert str(tmp_path / "asyncapi.json") in written
    assert saga.does("contracts", "check", "--folder", str(tmp_path), "--json").json == {"ok": True, "problems": []}
