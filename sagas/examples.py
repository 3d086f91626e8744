"""Sagas to learn from and to test with; the service runs those of `catalog.py`."""

from sagas.employee_onboarding import employee_onboarding
from sagas.release import release
from sagas.server_provisioning import server_provisioning

catalog = (employee_onboarding, server_provisioning, release)
