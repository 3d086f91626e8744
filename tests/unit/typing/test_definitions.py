"""The type checker finds each mistake that an author can make in a definition, on its line, and no other."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = Path(__file__).with_name("_support")
CHECKED = ("definitions.py", "handlers.py", "words.py")
MARK = re.compile(r"  # type: ignore\[(?P<codes>[\w,-]+)\].*")
ERROR = re.compile(r"^(?:.*/)?(?P<file>\w+\.py):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)


def test_every_marked_line_is_a_type_error_and_no_other_line_is(tmp_path: Path) -> None:
    marked = {mark for name in CHECKED for mark in marks(name, (SAMPLES / name).read_text("utf-8"))}
    for name in CHECKED:
        text = (SAMPLES / name).read_text("utf-8")
        (tmp_path / name).write_text(MARK.sub("", text), encoding="utf-8")

    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--no-pretty",
            "--no-error-summary",
            *(str(tmp_path / each) for each in CHECKED),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = {(error["file"], int(error["line"]), error["code"]) for error in ERROR.finditer(checked.stdout)}
    assert len(marked) > 40
    assert found == marked, checked.stdout + checked.stderr


def marks(name: str, text: str) -> Iterator[tuple[str, int, str]]:
    """The mistakes of a file: its name, the line, the code of the error."""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := MARK.search(line):
            for code in match["codes"].split(","):
                yield name, number, code
