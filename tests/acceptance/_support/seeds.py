"""Chance that can be repeated: a run says its seed, and `SAGA_TEST_SEED` gives it again."""

import os
import secrets
from random import Random


def seeded() -> Random:
    """A source of chance; its seed stands in the output of a test that fails."""
    seed = int(os.environ.get("SAGA_TEST_SEED") or secrets.randbelow(1 << 32))
    print(f"SAGA_TEST_SEED={seed} repeats this run")  # noqa: T201  pytest shows it when the test fails
    return Random(seed)
