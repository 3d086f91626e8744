"""Sagas to learn from and to test with; the service runs those of `catalog.py`."""

from saga_coordinator.sagas.catalog.employee_onboarding import employee_onboarding
from saga_coordinator.sagas.catalog.release import release
from saga_coordinator.sagas.catalog.server_provisioning import server_provisioning

catalog = (employee_onboarding, server_provisioning, release)
