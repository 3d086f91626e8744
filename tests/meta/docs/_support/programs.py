"""Run the programs of a page as its reader does: as processes in a folder that contains the page's files."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.project_tree import ROOT, SOURCES

PYPROJECT = str(ROOT / "pyproject.toml")


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder and return the completed process."""
    environment = {**os.environ, "PYTHONPATH": SOURCES, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=90)


def under_pytest(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in files of the folder."""
    quiet = ("-q", "-p", "no:cacheprovider", "--rootdir", ".", "-c", PYPROJECT)
    return run(folder, sys.executable, "-m", "pytest", *quiet, *files)


def under_mypy(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    """Check files of the folder with mypy."""
    return run(folder, sys.executable, "-m", "mypy", "--config-file", PYPROJECT, *files, MYPYPATH=str(ROOT))


def saga(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command `saga` in the folder."""
    return run(folder, str(Path(sys.executable).with_name("saga")), *arguments)
