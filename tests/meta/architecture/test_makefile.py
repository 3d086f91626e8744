"""The first command of a newcomer works, or says what to install."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.project_tree import ROOT

OLD_PYTHON = """#!/bin/sh
case "$1" in -V) echo Python 3.9.2 ;; *) exit 1 ;; esac
"""
PYTHON_WITHOUT_VENV = """#!/bin/sh
case "$2" in *ensurepip*) exit 1 ;; *) exit 0 ;; esac
"""


def test_help_is_the_default_and_lists_every_command() -> None:
    listed = make()
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert phony
    assert listed.returncode == 0, listed.stderr
    assert set(re.findall(r"^  (\w+) ", listed.stdout, flags=re.MULTILINE)) == set(phony[1].split())


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (OLD_PYTHON, "is Python 3.9.2; Python 3.11 or newer is needed"),
        (PYTHON_WITHOUT_VENV, "apt-get install python3-venv"),
        (None, "there is no '"),
    ],
)
def test_an_unfit_python_is_refused_with_its_remedy(tmp_path: Path, program: str | None, said: str) -> None:
    python = tmp_path / "python"
    if program:
        python.write_text(program, encoding="utf-8")
        python.chmod(0o755)
    refused = make("setup", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}")
    assert refused.returncode != 0
    assert said in refused.stderr
    assert not (tmp_path / "venv").exists()


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Run make in the project, apart from any make that runs these tests."""
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
