"""As the first process of a container, `saga` ends by SIGTERM from its first moment on."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance._support.until import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("unshare") is None or os.geteuid() != 0, reason="a namespace of processes needs unshare and root"
    ),
]

SAGA = Path(sys.executable).with_name("saga")


def test_a_signal_during_the_start_ends_it_at_once(tmp_path: Path) -> None:
    command = ["unshare", "--pid", "--fork", "--kill-child", str(SAGA), "serve"]
    variables = os.environ | {"SAGA_STORE": f"sqlite:///{tmp_path}/saga.db", "SAGA_API__BIND": "127.0.0.1:0"}
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.DEVNULL) as outer:
        until(lambda: handles_sigterm(child_of(outer.pid)), "it handles SIGTERM")
        assert not (tmp_path / "saga.db.lock").exists(), "it has not yet opened its database"
        os.kill(child_of(outer.pid) or 0, signal.SIGTERM)
        assert outer.wait(10) == 128 + signal.SIGTERM


def child_of(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else None


def handles_sigterm(pid: int | None) -> bool:
    """Whether a process has a handler for SIGTERM."""
    if pid is None:
        return False
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)
