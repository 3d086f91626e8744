"""The fixture `saga_matrix`, as an author uses it in a test of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project_tree import SOURCES

AUTHORS = """
from tests.support.saga_kit import Begun
from tests.unit.testing._support.unguarded import unguarded
from tests.unit.testing._support.sample_sagas import choice, two_steps


def test_sound(saga_matrix):
    assert saga_matrix(two_steps, (Begun(),), depth=1).worlds


def test_careless(saga_matrix):
    saga_matrix(unguarded)


def test_not_all_samples(saga_matrix):
    saga_matrix(choice, (Begun(),))


def test_not_all_states(saga_matrix):
    saga_matrix(two_steps, max_states=10)
"""


@pytest.mark.slow
def test_the_fixture_passes_what_is_sound_and_shows_the_script_of_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "test_authors.py").write_text(AUTHORS)

    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "saga_coordinator.service.pytest_plugin",
                "-p",
                "no:cacheprovider",
            ),
            *("--confcutdir", tmp_path, "--rootdir", tmp_path, "-c", os.devnull, tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 failed, 1 passed" in done.stdout
    assert "saga unguarded: the_definition_never_raises: step charge: compensate refund, " in done.stdout
    assert '        given(unguarded, Begun())\n        .expects("charge")' in done.stdout
    assert "saga made: no sample leads to d: give one that does" in done.stdout
    assert "saga made has more than 10 states at depth 1: raise `max_states`, or lower `depth`" in done.stdout
