"""The soak finds what it runs, counts it, and says how to repeat what it has found."""

from pathlib import Path

import pytest

from tests.soak import __main__ as program
from tests.soak.__main__ import Soak
from tests.soak.fuzzing import PROPERTIES, main
from tests.soak.labours import KILLERS, Piece, worlds
from tests.support.project_tree import ROOT


def test_the_crash_tests_that_it_runs_are_there() -> None:
    assert [test for test in KILLERS if not (ROOT / test).exists()] == []


@pytest.mark.parametrize("name", PROPERTIES)
def test_an_input_of_a_fuzzer_can_be_repeated_from_its_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(bytes(range(64)))
    main(name, str(tmp_path / "input"))


def test_the_report_adds_figures_up_and_keeps_every_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "REPORT", tmp_path / "report.md")
    soak = Soak(1.0)
    soak.note(Piece("100 worlds", {"worlds": 100, "seconds of worlds": 10.5}))
    soak.note(Piece("60 worlds", {"worlds": 60, "seconds of worlds": 5.5}, ["seed 7 breaks it"]))
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| worlds | 160 |" in report
    assert "| worlds a second | 10.0 |" in report
    assert "seed 7 breaks it" in report
    assert "Nothing was found" not in report


@pytest.mark.slow
def test_worlds_are_lived_and_counted() -> None:
    piece = worlds(1.0)
    assert piece.figures["worlds"] >= 1
    assert piece.found == []
