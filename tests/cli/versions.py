"""Two versions of order fulfilment, and catalogs of them for `SAGA_CATALOG`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from contracts.shipping import OrderShipped
from sagas.machine import Node, Step
from sagas.order_fulfilment import OrderData, order_fulfilment

patient: tuple[Node[OrderData], ...] = tuple(
    replace(node, timeout=timedelta(days=7)) if isinstance(node, Step) and node.name == "notify-customer" else node
    for node in order_fulfilment.steps
)
second = replace(order_fulfilment, version=2, steps=patient)
catalog: tuple[Any, ...] = (order_fulfilment, second)
quiet = replace(order_fulfilment, version=3, steps=order_fulfilment.steps[:-1])


def forgets(data: OrderData, reply: OrderShipped) -> OrderData:  # noqa: ARG001  what it used to remember
    return data


oblivious = replace(
    order_fulfilment,
    steps=tuple(
        replace(node, remember=forgets) if isinstance(node, Step) and node.is_pivot else node
        for node in order_fulfilment.steps
    ),
)
"""It remembers no tracking number, and so tells its customer another one."""
forgetful = (oblivious,)
