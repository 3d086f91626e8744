"""What a soak does, a piece at a time, each in a process of its own: worlds, kills, fuzzers."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.soak.fuzzing import PROPERTIES
from tests.support.project_tree import ROOT

ENDS_WITHIN: Final = 30.0
"""Seconds that a process may take to clean up after itself, once its time has expired."""

KILLERS: Final = {
    "tests/acceptance/test_nothing_lost_nothing_twice.py": 120.0,
    "tests/acceptance/test_killed_at_every_place.py": 420.0,
}
"""The crash tests, and the seconds that each needs on a slow machine."""


@dataclass
class Piece:
    """What one process has done: figures to add up, and what it found, with how to repeat it."""

    summary: str
    figures: dict[str, float] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)


def worlds(seconds: float) -> Piece:
    """Live worlds for so long."""
    ran = _ran([sys.executable, "-m", "tests.soak.living", str(seconds)], seconds + 120)
    blocks = [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]
    count = sum(block["count"] for block in blocks)
    found = [each for block in blocks for each in block["found"]]
    if ran.code != 0:
        found.append(f"the worlds broke off: {ran.out[-1_500:]}")
    first = blocks[0]["first"] if blocks else None
    return Piece(f"{count} worlds from seed {first}", {"worlds": count, "seconds of worlds": ran.took}, found)


def kills(test: str, left: float) -> Piece:
    """Run a crash test with a seed of its own. One that its time does not suffice for is cut off, and found nothing."""
    seed = secrets.randbelow(1 << 32)
    environment = os.environ | {"SAGA_TEST_SEED": str(seed)}
    ran = _ran([sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", test], left, environment)
    name = f"{test} with seed {seed}"
    if ran.is_cut:
        return Piece(f"{name}: cut off after {ran.took:.0f} s", {"crash tests cut off": 1})
    if ran.code == 0 and " skipped" not in ran.out:
        return Piece(f"{name}: passed", {"crash tests passed": 1, "kills survived": _kills_of(test)})
    if ran.code == 0:
        return Piece(f"{name}: skipped, there is no Kafka", {"crash tests skipped": 1})
    return Piece(f"{name}: FAILED", {}, [f"SAGA_TEST_SEED={seed} python -m pytest {test}\n{ran.out[-4_000:]}"])


def fuzz(name: str, seconds: float, folder: Path) -> Piece:
    """Throw inputs at one property for so long."""
    folder.mkdir(parents=True, exist_ok=True)
    ran = _ran(
        [sys.executable, "-m", "tests.soak.fuzzing", name, str(max(1, int(seconds))), str(folder)], seconds + 120
    )
    runs = [int(each) for each in re.findall(r"Done (\d+) runs", ran.out)]
    found = []
    if ran.code != 0:
        files = re.findall(r"Test unit written to (\S+)", ran.out)
        again = f"python -m tests.soak.fuzzing {name} {files[0]}" if files else "see the output of hypothesis"
        found = [f"{again}\n{ran.out[-4_000:]}"]
    figures: dict[str, float] = {"inputs": sum(runs)} if runs else {"rounds of hypothesis": 1}
    return Piece(f"fuzzed {name}: {sum(runs) or 'no count of'} inputs", figures, found)


FUZZED: Final = tuple(PROPERTIES)


@dataclass(frozen=True)
class _Ran:
    code: int
    out: str
    took: float
    is_cut: bool


def _ran(command: list[str], limit: float, environment: dict[str, str] | None = None) -> _Ran:
    """Run a process, and end it when its time has expired: first as by Ctrl-C, so that what it started ends, too."""
    began, is_cut = time.monotonic(), False
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=max(1.0, limit))
    except subprocess.TimeoutExpired:
        is_cut = True
        process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
    return _Ran(process.returncode, out, time.monotonic() - began, is_cut)


def _kills_of(test: str) -> int:
    """How often the process is killed in one run of a crash test."""
    from tests.acceptance.test_nothing_lost_nothing_twice import KILLS  # noqa: PLC0415
    from tests.support.failpoints import PLACES  # noqa: PLC0415  the service is not needed for the rest

    return 2 * len(PLACES) if "every_place" in test else KILLS
