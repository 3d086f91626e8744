"""Runs Python in forks of one process that has imported the libraries: importing them takes most of a short run.

As a script, this module is that process. It reads requests, one JSON object a line, and writes the exit code of each.
"""

import gc
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypedDict

LIBRARIES = (
    "aiokafka",
    "aiosqlite",
    "confluent_kafka.admin",
    "fastapi",
    "httpx",
    "hypothesis.stateful",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.prometheus",
    "opentelemetry.sdk.trace.export.in_memory_span_exporter",
    "psutil",
    "pydantic_settings",
    "pytest",
    "pytest_asyncio.plugin",
    "rich.console",
    "structlog",
    "typer.testing",
    "uvicorn",
    "uvloop",
)
"""What the project and its tests import. One that is missing here is imported by each fork."""


class Ended(NamedTuple):
    """A run of Python: its exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str


class Request(TypedDict):
    """What a fork runs: the arguments of Python (`-m MODULE` or a file, then its own), where, and where it writes."""

    arguments: Sequence[str]
    folder: str
    environment: Mapping[str, str]


class Forks:
    """The process that forks; it starts with the first run, and ends with the `with` block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def run(self, project: Path, *arguments: str) -> Ended:
        """Run Python in this folder, upon its sources and no others. What interrupts the wait ends the run."""
        environment = {**os.environ, "PYTHONPATH": f"{project / 'src'}:{project}", "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            code = self._ask(Request(arguments=arguments, folder=str(project), environment=environment))
        except BaseException:
            self._end()
            raise
        return Ended(code, *(_output(project, name).read_text("utf-8") for name in ("stdout", "stderr")))

    def _ask(self, request: Request) -> int:
        process = self._process = self._process or _start()
        print(json.dumps(request), file=process.stdin, flush=True)
        assert process.stdout is not None
        return int(process.stdout.readline())

    def _end(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
            self._process = None


def _start() -> subprocess.Popen[str]:
    command, pipe = [sys.executable, "-P", __file__], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def _output(project: Path, name: str) -> Path:
    return project / f"{name}.txt"


def main() -> None:
    """Fork for each request. A fork leaves the loop, and ends as any Python does."""
    for name in LIBRARIES:
        import_module(name)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  the answer


def run(request: Request) -> None:
    """Become the Python that was asked for."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = request["environment"]["PYTHONPATH"].split(":")
    sys.dont_write_bytecode = True
    project = Path(request["folder"])
    for number, place in enumerate((Path(os.devnull), _output(project, "stdout"), _output(project, "stderr"))):
        file = os.open(place, os.O_CREAT | os.O_TRUNC | (os.O_WRONLY if number else os.O_RDONLY))
        os.dup2(file, number)
        os.close(file)
    first, *rest = request["arguments"]
    if first == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
