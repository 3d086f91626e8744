"""All sagas that come with the project, for `SAGA_CATALOG`: they read more topics than those of the service."""

from typing import Final

from sagas import examples
from sagas.catalog import catalog as served

catalog: Final = (*served, *examples.catalog)
