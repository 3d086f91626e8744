"""The processes around a run: the service, the participants, a trace endpoint; each its own, and their CPU time."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from saga_coordinator.service.errors import NotReady
from tests.bench.plan import Scenario, Tracing

READY_TIMEOUT = 60.0
STOP_TIMEOUT = 40.0

_DEMO = (sys.executable, "-m", "tests.support.demo_process")


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as a process, its output in a file, and stop it in the end."""
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_text(log: Path, text: str) -> None:
    """Wait until a process has written something. Raises `NotReady` with what it wrote instead."""
    end = time.monotonic() + READY_TIMEOUT
    while text not in log.read_text(encoding="utf-8"):
        if time.monotonic() > end:
            raise NotReady(f"{log.name}: no {text!r} within {READY_TIMEOUT:.0f} s; it said:\n{_tail(log)}")
        time.sleep(0.05)


def wait_for_service(url: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the service says that it is ready. Raises `NotReady` with what it wrote instead."""
    end = time.monotonic() + READY_TIMEOUT
    while True:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass  # not listening yet; the time limit below says so if it never does
        if process.poll() is not None or time.monotonic() > end:
            raise NotReady(f"the service has ended, or is not ready after {READY_TIMEOUT:.0f} s:\n{_tail(log)}")
        time.sleep(0.1)


def service_environment(bootstrap: str, folder: Path, port: int, tracing: Tracing, endpoint: str) -> dict[str, str]:
    """Return the service's settings for one mode of tracing."""
    return {
        "SAGA_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "SAGA_STORE": f"sqlite:///{folder}/saga.db",
        "SAGA_API__BIND": f"127.0.0.1:{port}",
        "SAGA_LOG__LEVEL": "warning",
        **tracing_environment(tracing, endpoint),
    }


def tracing_environment(tracing: Tracing, endpoint: str) -> dict[str, str]:
    """Return the variables for one mode of tracing; spans are exported to `endpoint`."""
    if tracing == "off":
        return {"OTEL_SDK_DISABLED": "true"}
    return {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint} if tracing == "exported" else {}


@contextmanager
def participants(bootstrap: str, scenario: Scenario, log: Path) -> Iterator[None]:
    """Run the five participants as a process of their own."""
    command = [*_DEMO, "participants", "--bootstrap-servers", bootstrap]
    with running([*command, "--behaviour", '{"checks": false}', "--properties", _properties(scenario)], log):
        wait_for_text(log, '"ready"')
        yield


def _properties(scenario: Scenario) -> str:
    """Return how the other side's clients gather messages: as a busy service does at saturation, else not at all."""
    batched = {"linger.ms": 2, "fetch.min.bytes": 20_000, "fetch.wait.max.ms": 5}
    return json.dumps(batched if scenario.is_busy else {})


def place_orders(bootstrap: str, scenario: Scenario, seed: int) -> dict[str, float]:
    """Run the load in a process of its own, and return its report."""
    pace = ["--window", str(scenario.window)] if scenario.window else ["--rate", str(scenario.rate)]
    command = [*_DEMO, "load", "--bootstrap-servers", bootstrap, *pace]
    command += ["--orders", str(scenario.orders), "--seed", str(seed), "--mix", '{"large": 0}', "--settle", "0.2"]
    command += ["--properties", _properties(scenario)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReady(f"{scenario.title()}: orders are missing or have two outcomes:\n{done.stdout}{done.stderr}")
    report: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return report


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, user and system."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        fields = stat.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    output = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return float(
        sum(float(part) * 60.0**place for place, part in enumerate(reversed(output.stdout.strip().split(":"))))
    )


def memory_mb(pid: int) -> float:
    """Return how much memory a process has at this moment, in MB."""
    output = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(output.stdout) / 1024


def output_of(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Return what a command prints. Raises `NotReady` with its last lines if it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotReady(f"{' '.join(command)} failed in {folder}:\n" + "\n".join(done.stderr.splitlines()[-20:]))
    return done.stdout


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="saga-bench-") as name:
        yield Path(name)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
