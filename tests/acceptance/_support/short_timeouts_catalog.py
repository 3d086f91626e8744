"""Order fulfilment with short timeouts, for `SAGA_CATALOG`: minutes become seconds, so that tests can wait."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from saga_coordinator.sagas.catalog.order_fulfilment import OrderData, order_fulfilment
from saga_coordinator.sagas.language.nodes import Branch, Node, Parallel, Step
from saga_coordinator.sagas.testing.variants import scale_time

LONGEST: Final = timedelta(seconds=3)
"""The longest that a test waits for an answer that does not come."""

_FACTOR: Final = 60
"""Five minutes become five seconds, a retry's first two seconds 33 ms."""


def _answered_soon(node: Node[OrderData]) -> Node[OrderData]:
    """Cut the timeouts that are hours in the original."""
    match node:
        case Step():
            assert isinstance(node.timeout, timedelta)
            return replace(node, timeout=min(node.timeout, LONGEST))
        case Parallel():
            return Parallel(tuple(_answered_soon(each) for each in node.nodes))
        case Branch():
            return replace(node, nodes=tuple(_answered_soon(each) for each in node.nodes))
        case _:
            return node


_scaled = scale_time(order_fulfilment, _FACTOR)

catalog = (replace(_scaled, steps=tuple(_answered_soon(node) for node in _scaled.steps)),)
