"""Opens the store and the catalog that the settings name, for the verbs that look at instances."""

from collections.abc import Iterator
from contextlib import contextmanager

from saga_coordinator.service.app.database import open_queries
from saga_coordinator.service.cli.definitions import load_routes
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.views.instance import Reader


@contextmanager
def open_reader() -> Iterator[Reader]:
    settings = load_settings()
    routes = load_routes(settings)
    with open_queries(settings) as queries:
        yield Reader(queries, routes)
