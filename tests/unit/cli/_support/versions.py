"""Two versions of order fulfilment, and catalogs of them for `SAGA_CATALOG`."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from saga_coordinator.contracts.messages.shipping import OrderShipped
from saga_coordinator.sagas import parallel
from saga_coordinator.sagas.catalog.order_fulfilment import OrderData, order_fulfilment
from saga_coordinator.sagas.language.nodes import Node, Parallel, Step

patient: tuple[Node[OrderData], ...] = tuple(
    replace(node, timeout=timedelta(days=7)) if isinstance(node, Step) and node.name == "notify-customer" else node
    for node in order_fulfilment.steps
)
second = replace(order_fulfilment, version=2, steps=patient)
catalog: tuple[Any, ...] = (order_fulfilment, second)
quiet = replace(order_fulfilment, version=3, steps=order_fulfilment.steps[:-1])


def without(*names: str) -> tuple[Any, ...]:
    """Two versions, of which the second has not these steps, first in the saga's group."""
    group, *others = order_fulfilment.steps
    assert isinstance(group, Parallel)
    kept = tuple(each for each in group.nodes if isinstance(each, Step) and each.name not in names)
    return (order_fulfilment, replace(order_fulfilment, version=2, steps=(*kept, *others)))


def renaming(name: str, other: str) -> tuple[Any, ...]:
    """Two versions, of which the second calls a step of the saga's group otherwise."""
    group, *others = order_fulfilment.steps
    assert isinstance(group, Parallel)
    called: tuple[Node[OrderData], ...] = tuple(
        replace(each, name=other) if isinstance(each, Step) and each.name == name else each for each in group.nodes
    )
    return (order_fulfilment, replace(order_fulfilment, version=2, steps=(parallel(*called), *others)))


uncharged = without("charge-card")
renamed = renaming("charge-card", "take-money")


def forgets(data: OrderData, reply: OrderShipped) -> OrderData:  # noqa: ARG001  what it used to remember
    return data


oblivious = replace(
    order_fulfilment,
    steps=tuple(
        replace(node, remember=forgets) if isinstance(node, Step) and node.is_pivot else node
        for node in order_fulfilment.steps
    ),
)
"""It remembers no tracking number, and so sends its customer another one."""
forgetful = (oblivious,)
