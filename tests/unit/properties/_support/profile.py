"""How long the properties are searched: `ci` always tries the same examples, `soak` tries new ones for minutes.

SAGA_TEST_PROPERTIES=soak python -m pytest tests/unit/properties
"""

import os

from hypothesis import HealthCheck, settings

_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=250, suppress_health_check=_QUIET)
settings.register_profile("soak", deadline=None, max_examples=20_000, print_blob=True, suppress_health_check=_QUIET)

thorough = settings.get_profile(os.environ.get("SAGA_TEST_PROPERTIES", "ci"))
"""The profile of this run, as a decorator for properties."""
