"""All sagas that come with the project, for `SAGA_CATALOG`: they read more topics than those of the service."""

from typing import Final

from saga_coordinator.sagas.catalog import catalog as served
from saga_coordinator.sagas.catalog import examples

catalog: Final = (*served, *examples.catalog)
