"""Run a command without the variables that would let it find our sources."""

import os
import subprocess
from pathlib import Path


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its success, and return what it wrote."""
    without = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SAGA_", "VIRTUAL"))}
    ended = subprocess.run(command, cwd=cwd, env=without, capture_output=True, text=True, check=False, timeout=100)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
