"""Run by the soak: throws inputs at one property, guided by coverage if atheris is there, else by hypothesis.

`python -m tests.soak.fuzzing NAME SECONDS FOLDER` fuzzes; `python -m tests.soak.fuzzing NAME FILE` repeats one input.
"""

import importlib
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

PROPERTIES: Final = {
    "record": (
        "tests.unit.handlers.test_fuzz_records",
        "test_any_record_has_one_verdict_and_the_next_is_taken_i11_i28",
    ),
    "envelope": (
        "tests.unit.handlers.test_fuzz_records",
        "test_an_envelope_is_read_or_refused_and_what_is_read_can_be_written_again",
    ),
    "message": ("tests.unit.handlers.test_fuzz_records", "test_a_message_is_understood_or_refused"),
    "environment": (
        "tests.unit.handlers.test_fuzz_typed",
        "test_any_environment_gives_settings_or_says_which_is_wrong",
    ),
    "place": ("tests.unit.handlers.test_fuzz_typed", "test_any_place_is_parsed_or_refused"),
}
GUIDED: Final = (
    "contracts",
    "handlers",
    "saga_coordinator.service.settings",
    "saga_coordinator.service.views.record",
)
LONGEST_INPUT: Final = 4_096


def main(name: str, *rest: str) -> None:
    """Fuzz for so many seconds, or repeat a file."""
    if len(rest) == 1:
        _found(name).hypothesis.fuzz_one_input(Path(rest[0]).read_bytes())
        return
    seconds, folder = int(rest[0]), rest[1]
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        _by_hypothesis(name, seconds)
    else:
        _by_coverage(atheris, name, seconds, folder)


def _by_coverage(atheris: Any, name: str, seconds: int, folder: str) -> None:  # noqa: ANN401  it carries no types
    """Let libFuzzer choose the bytes. It ends the process, and leaves the input that breaks something in the folder."""
    with atheris.instrument_imports(include=list(GUIDED)):
        one_input = _found(name).hypothesis.fuzz_one_input
    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", f"-artifact_prefix={folder}/{name}-"]
    atheris.Setup([sys.argv[0], *limits], one_input)
    atheris.Fuzz()


def _by_hypothesis(name: str, seconds: int) -> None:
    """Try new examples until the time has expired. An error ends it, and hypothesis prints how to repeat it."""
    os.environ["SAGA_TEST_PROPERTIES"] = "soak"
    until, rounds = time.monotonic() + seconds, 0
    found = _found(name)
    while time.monotonic() < until:
        found()
        rounds += 1
    print(f"Done {rounds} rounds of examples")  # noqa: T201  a program


def _found(name: str) -> Any:  # noqa: ANN401  a test with what hypothesis put on it
    module, function = PROPERTIES[name]
    return getattr(importlib.import_module(module), function)


if __name__ == "__main__":
    main(*sys.argv[1:])
