"""The type checker finds each mistake that an author can make in a definition, on its line, and no other."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = Path(__file__).with_name("definitions.py")
MARK = re.compile(r"  # type: ignore\[(?P<code>[\w-]+)\].*")
ERROR = re.compile(r"^[^:]+:(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)


def test_every_marked_line_is_a_type_error_and_no_other_line_is(tmp_path: Path) -> None:
    lines = DEFINITIONS.read_text(encoding="utf-8").splitlines()
    marked = {(number, match["code"]) for number, line in enumerate(lines, start=1) if (match := MARK.search(line))}
    unmarked = tmp_path / "definitions.py"
    unmarked.write_text("\n".join(MARK.sub("", line) for line in lines) + "\n", encoding="utf-8")

    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-pretty", "--no-error-summary", str(unmarked)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = {(int(error["line"]), error["code"]) for error in ERROR.finditer(checked.stdout)}
    assert len(marked) > 10
    assert found == marked, checked.stdout + checked.stderr
