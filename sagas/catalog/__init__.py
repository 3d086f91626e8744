"""All sagas that the service runs, every version of them that may have live instances."""

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment

catalog = (order_fulfilment,)
