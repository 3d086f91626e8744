"""Two versions of order fulfilment, and catalogs of them for `SAGA_CATALOG`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sagas.machine import Node, Step
from sagas.order_fulfilment import OrderData, order_fulfilment

patient: tuple[Node[OrderData], ...] = tuple(
    replace(node, timeout=timedelta(days=7)) if isinstance(node, Step) and node.name == "notify-customer" else node
    for node in order_fulfilment.steps
)
second = replace(order_fulfilment, version=2, steps=patient)
catalog: tuple[Any, ...] = (order_fulfilment, second)
