"""The programs under test as processes of their own: `saga serve` with its settings, participants, and the shop."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self
from uuid import uuid4

from tests.acceptance._support.until import until
from tests.support.child_process import ChildProcess
from tests.support.failpoints import VARIABLE
from tests.support.postgres.databases import Database

ROOT: Final = Path(__file__).resolve().parents[3]
WITH_FAILPOINTS: Final = (sys.executable, "-m", "tests.support.failpoints")
SAGA: Final = (str(Path(sys.executable).with_name("saga")),)
SHORT_TIMEOUTS: Final = "tests.acceptance._support.short_timeouts_catalog:catalog"
READY_WITHIN_S: Final = 30.0
STOP_WITHIN_S: Final = 30.0
ANSWER_WITHIN_S: Final = 5.0
VERB_WITHIN_S: Final = 60.0

_PORTS: Final = range(20_000, 32_000)  # none of them is given to outgoing connections


class Answer(NamedTuple):
    """What the service's HTTP port says."""

    status: int
    body: str


class Program:
    """A command with variables of its own; what it writes goes to `log_file`, one file for all its runs.

    It runs from `start` until its end, `kill` or the end of the `with` block.
    """

    def __init__(self, command: tuple[str, ...], log_file: Path, variables: Mapping[str, str]) -> None:
        self.log_file: Final = log_file
        self.variables: Final = dict(variables)
        self._command = command
        self._process: ChildProcess | None = None

    def __enter__(self) -> Self:
        """Promise that nothing of it will be left; it is not started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it, if it runs."""
        self.kill()

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        assert self._process is not None, f"{self._command} was never started"
        return self._process.exit_code

    @property
    def log(self) -> str:
        """What it wrote, in all its runs."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self) -> None:
        """Start it, and do not wait."""
        assert self._process is None or self._process.exit_code is not None, f"{self._command} runs already"
        self._process = ChildProcess(in_environment(self._command, self.variables), self.log_file)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        assert self._process is not None, f"{self._command} was never started"
        self._process.send(number)

    def freeze(self) -> None:
        """Stop it as SIGSTOP does; returns once it stands still. SIGCONT lets it go on."""
        assert self._process is not None, f"{self._command} was never started"
        self._process.freeze()

    def ended(self, within: float) -> int:
        """Wait for its end, and return the exit code."""
        until(lambda: self.exit_code is not None, f"{self._command} has ended", within)
        self.kill()
        assert self.exit_code is not None
        return self.exit_code

    def stop(self, within: float = STOP_WITHIN_S) -> int:
        """Ask it to end, and return the exit code."""
        self.send(signal.SIGTERM)
        return self.ended(within)

    def kill(self) -> None:
        """End it without a warning (SIGKILL) if it runs, and whatever watched over it."""
        if self._process is not None:
            self._process.end(signal.SIGKILL, VERB_WITHIN_S)

    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects among the lines that it wrote."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]

    def failures(self) -> list[str]:
        """Why it did not start or ended: the errors among its lines."""
        return [str(line["event"]) for line in self.objects() if line["level"] == "error"]


class Serve(Program):
    """`saga serve` on a database file in `folder`: one consumer group and one HTTP port for all its runs."""

    def __init__(self, folder: Path, bootstrap_servers: str, database: Database | None = None, /, **more: str) -> None:
        """Prepare it; `database` is used in place of the file, and `more` are variables, in their full names."""
        folder.mkdir(parents=True, exist_ok=True)
        self.store: Final = folder / "saga.db"
        self.used: Final = database or self.store
        self.group: Final = f"saga-coordinator-{uuid4()}"
        self.address: Final = f"127.0.0.1:{free_port()}"
        settings = {
            "SAGA_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
            "SAGA_KAFKA__GROUP": self.group,
            "SAGA_KAFKA__START_FROM": "beginning",
            "SAGA_STORE": f"sqlite:///{self.store}",
            "SAGA_API__BIND": self.address,
        }
        settings |= database.variables if database else {}
        super().__init__((*SAGA, "serve"), folder / "serve.log", settings | more)

    def start(self, *, ready: bool = True) -> None:
        """Start it, and wait until it says that it is ready."""
        self._command = (*(WITH_FAILPOINTS if VARIABLE in self.variables else SAGA), "serve")
        super().start()
        if ready:
            self.is_ready_within(READY_WITHIN_S)

    def is_ready_within(self, seconds: float) -> float:
        """Wait until it is ready; return how many seconds that took."""
        began = time.monotonic()
        until(self._is_ready, f"ready: {self.get('/readyz')}\n{self.log[-3000:]}", seconds)
        return time.monotonic() - began

    def get(self, path: str) -> Answer | None:
        """Ask its HTTP port; None if nobody answers there."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=ANSWER_WITHIN_S) as answer:
                return Answer(answer.status, answer.read().decode())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, refusal.read().decode())
        except OSError:
            return None

    def verb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another verb of `saga` with the same settings."""
        return saga(*arguments, **self.variables)

    def explain(self, place: str) -> tuple[str, str]:
        """Return verdict and reason of the record at `topic:partition:offset`, once it was processed."""

        def processed() -> dict[str, Any] | None:
            answer = self.verb("explain", place, "--json")
            assert answer.returncode == 0, answer.stderr
            [only] = json.loads(answer.stdout)
            return None if only["verdict"] in {"not processed yet", "not read"} else dict(only)

        verdict = until(processed, f"{place} has a verdict")
        return str(verdict["verdict"]), str(verdict["reason"])

    def _is_ready(self) -> bool:
        assert self.exit_code is None, f"saga serve ended with {self.exit_code}:\n{self.log[-3000:]}"
        answer = self.get("/readyz")
        return answer is not None and answer.status == 200


class Participants(Program):
    """The five participants on confluent-kafka, with ledgers in `folder`."""

    def __init__(self, folder: Path, bootstrap_servers: str, behaviour: Mapping[str, object]) -> None:
        self.ledgers: Final = folder / "ledgers"
        options = ("--ledgers", str(self.ledgers), "--behaviour", json.dumps(dict(behaviour)))
        super().__init__(demo("participants", bootstrap_servers, *options), folder / "participants.log", {})

    def start(self) -> None:
        """Start them, and wait until they have their topics."""
        said = len(self.objects())
        super().start()
        until(lambda: len(self.objects()) > said, f"the participants are ready; they say\n{self.log[-3000:]}")


def saga(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a verb of `saga` to its end, with these variables."""
    command = in_environment((*SAGA, *arguments), variables)
    return subprocess.run(command, capture_output=True, text=True, timeout=VERB_WITHIN_S, check=False)


def demo(role: str, bootstrap_servers: str, *options: str) -> tuple[str, ...]:
    """The command of a process that talks to the service as somebody else."""
    return (
        sys.executable,
        "-m",
        "tests.support.demo_process",
        role,
        "--bootstrap-servers",
        bootstrap_servers,
        *options,
    )


def in_environment(command: tuple[str, ...], variables: Mapping[str, str]) -> list[str]:
    """The command, run at the top of the project with these variables and none of our own that could interfere."""
    ours = [name for name in os.environ if name.startswith(("SAGA_", "OTEL_"))]
    without = [word for name in ours for word in ("-u", name)]
    given = [f"{name}={value}" for name, value in variables.items()]
    return ["env", "-C", str(ROOT), *without, *given, *command]


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    chance = secrets.SystemRandom()
    for port in chance.sample(_PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
