"""The backup procedure of docs/operating.md, command by command as an operator enters it."""

from pathlib import Path

import pytest

from tests.meta.docs._support.pages import blocks
from tests.meta.docs._support.programs import saga
from tests.support.project_tree import ROOT
from tests.unit.cli._support.stories import placed, run_stories

PAGE = ROOT / "docs" / "operating.md"


@pytest.mark.slow
def test_the_procedure_brings_the_database_of_the_backup_back(tmp_path: Path) -> None:
    backed_up, restored = commands("saga db backup"), commands("saga db restore")
    run_stories(tmp_path / "saga.db", placed("o-1"))
    entered(tmp_path, backed_up)
    run_stories(tmp_path / "saga.db", placed("o-1"), placed("o-2"))
    assert "o-2" in saga(tmp_path, "ls").stdout

    entered(tmp_path, restored)

    listed = saga(tmp_path, "ls").stdout
    assert ("o-1" in listed, "o-2" in listed) == (True, False)


def commands(first: str) -> list[list[str]]:
    """The commands of the block of the page that begins with this one, on a folder of this test."""
    [text] = [block.text for block in blocks(PAGE) if block.text.startswith(f"$ {first}")]
    return [line.removeprefix("$ saga ").replace("/backup/", "").split() for line in text.splitlines()]


def entered(folder: Path, lines: list[list[str]]) -> None:
    """Enter commands, each of which succeeds."""
    for line in lines:
        done = saga(folder, *line)
        assert done.returncode == 0, done.stderr
