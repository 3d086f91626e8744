"""Every branch of the language and the machine is taken by the tests of the machine itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project_tree import ROOT

SUITES = ("tests/unit/machine", "tests/unit/sagas")
"""Not the properties: each branch needs a test of its own that names it, and does not depend on chance."""


@pytest.mark.slow
def test_every_branch_of_the_machine_is_taken(tmp_path: Path) -> None:
    report = tmp_path / "coverage.json"
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "--cov-branch")
    packages = ("--cov=saga_coordinator.sagas.language", "--cov=saga_coordinator.sagas.machine")
    wanted = (*packages, f"--cov-report=json:{report}", "--cov-report=")
    run = subprocess.run(
        (*command, *wanted, *SUITES),
        cwd=ROOT,
        env=os.environ | {"COVERAGE_FILE": str(tmp_path / "coverage")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-4_000:] + run.stderr[-4_000:]
    files = json.loads(report.read_text("utf-8"))["files"]
    assert "sagas/machine/transition.py" in files
    missed = {
        name: (each["missing_lines"], each["missing_branches"])
        for name, each in files.items()
        if each["missing_lines"] or each["missing_branches"]
    }
    assert missed == {}, "these lines, and these ways from one line to another, are not taken"
