"""Settings that hold for every test."""

import os

from hypothesis import settings

pytest_plugins = [
    "tests.support.side_by_side",
    "tests.support.kafka_fixtures",
    "tests.support.postgres_fixtures",
    "saga_coordinator.service.pytest_plugin",
]

# A shared machine stalls now and then: a slow example is no fault. A failure prints what reproduces it.
settings.register_profile("saga", deadline=None, print_blob=True)
settings.load_profile("saga")

# How wide a terminal is, is not for a test to know: readline sets these in the processes that run tests side by side.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)
