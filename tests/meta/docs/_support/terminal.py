"""Run the commands of a page in a folder, as its reader does in several terminals, and compare what they print.

A block of the language `console` holds commands after `$`, each with what it prints; nothing: anything. In it `…` is
any text, on a line of its own any lines; the width of columns does not matter.
"""

import os
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from tests.acceptance._support.processes import Program
from tests.acceptance._support.until import until

LIMIT: Final = 60.0
LOOKS: Final = ("saga ls", "saga show", "saga why")
"""Commands that show what is still changing: they are repeated until they print what is expected."""

STAYS: Final = ("saga serve", "python participant.py")
"""Commands that do not end."""

NOT_RUN: Final = ("python3 -m venv", "pip ", "docker ")
"""Commands that need a network or a Docker daemon; the test looks at what they name."""

PROGRESS: Final = re.compile(r"^.* of [\d,]+ (instances have started|states known so far are tried)\n", re.MULTILINE)
"""What `saga simulate` and `saga test` say on standard error on a machine that is busy."""


class Command(NamedTuple):
    """A command of a page, and what it prints."""

    line: str
    expected: str


def commands(console: str) -> Iterator[Command]:
    """Yield the commands of a block."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        yield Command(line, expected)


def is_match(printed: str, expected: str) -> bool:
    """Return whether a command printed what is expected."""
    lines = [" ".join(line.split()) for line in expected.splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in lines)
    found = "".join(" ".join(line.split()) + "\n" for line in printed.splitlines() if line.strip())
    return not lines or re.fullmatch(pattern, found) is not None


class Terminal:
    """A folder, its variables, and the programs that run in it; all of them have ended after the `with` block.

    `replaced` are texts of the page that are others in the test, such as the address of the broker.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], replaced: Mapping[str, str] | None = None) -> None:
        self.folder: Final = folder
        self.variables: Final = dict(variables)
        self.running: Final[dict[str, Program]] = {}
        self._replaced = dict(replaced or {})

    def __enter__(self) -> Self:
        """Start with nothing running."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End what still runs."""
        for program in self.running.values():
            program.kill()

    def type(self, command: Command) -> None:
        """Run a command of a page. Fails if it does not succeed, or prints something else."""
        line = command.line
        for text, other in self._replaced.items():
            line = line.replace(text, other)
        if line.startswith(NOT_RUN):
            return
        if line.startswith("export "):
            self.variables.update(export(line))
        elif line.startswith(STAYS):
            self._start(line, command.expected)
        elif line.startswith(LOOKS):
            self._look(line, command.expected)
        else:
            code, printed = self._run(line)
            assert code == 0, f"$ {line}\n{printed}"
            assert is_match(printed, command.expected), f"$ {line}\n{printed}\nand not\n{command.expected}"

    def stop(self, line: str) -> None:
        """Stop a program as Ctrl-C or a supervisor does; it must end with 0."""
        program = self.running.pop(line)
        assert program.stop() == 0, program.log

    def _look(self, line: str, expected: str) -> None:
        """Repeat a command until it prints what is expected."""
        limit = time.monotonic() + LIMIT
        while True:
            code, printed = self._run(line)
            if code == 0 and is_match(printed, expected):
                return
            assert time.monotonic() < limit, f"$ {line}\n{printed}\nand not\n{expected}"

    def _start(self, line: str, expected: str) -> None:
        """Start a program, after the one before it has ended, and wait until it printed what is expected."""
        if line in self.running:
            self.stop(line)
        name = re.sub(r"\W+", "-", line)
        command = ("env", "-C", str(self.folder), "bash", "-c", f"exec {line}")
        program = self.running[line] = Program(command, self.folder / f"{name}.log", self.variables)
        before = len(program.log)
        program.start()

        def printed() -> bool:
            assert program.exit_code is None, program.log
            return is_match(program.log[before:], expected)

        until(printed, f"$ {line}\n{program.log[before:]}", LIMIT)
        for each in program.log[before:].splitlines():
            self.variables.update(export(each))
        if line.startswith("saga serve"):
            until(lambda: is_ready(self.variables["SAGA_API__BIND"]), f"it is ready\n{program.log[before:]}", LIMIT)

    def _run(self, line: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it printed, but for how far it was meanwhile."""
        ran = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=without_settings(os.environ) | self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        return ran.returncode, PROGRESS.sub("", ran.stdout)


def is_ready(address: str) -> bool:
    """Return whether a coordinator says that it is ready."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=LIMIT) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def export(line: str) -> dict[str, str]:
    """Return the variable that a line exports, if it does."""
    words = shlex.split(line) if line.startswith("export ") else []
    return dict(word.split("=", 1) for word in words[1:])


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without our settings, and without what would let Python find our sources."""
    return {name: value for name, value in environment.items() if not name.startswith(("SAGA_", "OTEL_", "PYTHON"))}
