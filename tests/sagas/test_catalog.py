"""The catalog: everything that the service runs."""

from collections import Counter

from sagas.catalog import catalog
from sagas.order_fulfilment import order_fulfilment


def test_order_fulfilment_is_in_the_catalog() -> None:
    assert order_fulfilment in catalog


def test_no_version_of_a_saga_stands_twice_in_the_catalog() -> None:
    counts = Counter((saga.name, saga.version) for saga in catalog)

    assert [key for key, count in counts.items() if count > 1] == []
