"""Example sagas, used by the tests too; the service runs those of `catalog`."""

from saga_coordinator.sagas.catalog.employee_onboarding import employee_onboarding
from saga_coordinator.sagas.catalog.release import release
from saga_coordinator.sagas.catalog.server_provisioning import server_provisioning

catalog = (employee_onboarding, server_provisioning, release)
