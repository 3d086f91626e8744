"""Child processes that this one waits for, or that never outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from saga_coordinator.service.errors import BrokerError


class ChildProcess:
    """A started command in a process group of its own; what it writes is appended to `log_file`.

    A second process guards it: it waits on a pipe that only this process holds open, and kills the group when the pipe
    closes. So the child ends with this process even if that is killed, which an exit handler would not notice.
    """

    def __init__(self, command: Sequence[str], log_file: Path) -> None:
        quiet = subprocess.DEVNULL
        with log_file.open("ab") as log:
            self._child = subprocess.Popen(command, stdin=quiet, stdout=log, stderr=log, start_new_session=True)
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(self._child.pid)],
            stdin=subprocess.PIPE,
            stdout=quiet,
            stderr=quiet,
            start_new_session=True,
        )

    @property
    def exit_code(self) -> int | None:
        """How the child ended (negative: the number of the signal that killed it), or None while it runs."""
        return self._child.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child's group; does nothing if the child has ended."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, number)

    def freeze(self) -> None:
        """Stop the child's group (SIGSTOP) until it is sent SIGCONT; returns once none of the child's threads runs.

        The signal alone reaches them one after another, and one that still runs may answer meanwhile.
        """
        self.send(signal.SIGSTOP)
        os.waitid(os.P_PID, self._child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def end(self, number: signal.Signals, grace: float) -> None:
        """End the child with this signal, frozen or not, and with SIGKILL if it still runs after `grace` seconds."""
        self.send(number)
        self.send(signal.SIGCONT)
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self._child.wait()
        self._guard.kill()
        self._guard.communicate()


def run(command: Sequence[str], *, purpose: str, within: float, folder: Path | None = None) -> str:
    """Run a command in `folder` to its end and return what it wrote; BrokerError if it fails or takes too long.

    `purpose` says what it is for, after "cannot"; `within` is in seconds.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=within, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerError(f"cannot {purpose}: {error}") from error
    output = f"{done.stdout}{done.stderr}"
    if done.returncode:
        raise BrokerError(f"cannot {purpose}: {command[0]} ended with {done.returncode} and said\n{output}")
    return output


_GUARD: Final = 'cat >/dev/null; kill -s KILL -- "-$1"'
