"""Whatever happens to its traces, the service continues: orders end, it stays ready, and it can be stopped."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.acceptance._support.business import Business, business_on
from tests.acceptance._support.processes import free_port
from tests.acceptance._support.until import until
from tests.integration._support.on_broker import TOPICS
from tests.unit.telemetry._support.collector import collecting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SHORT: Final = {
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BSP_MAX_QUEUE_SIZE": "64",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32",
}
"""So that deliveries fail, and the queue is full, long before the service is stopped."""

ORDERS: Final = 80
FULL_WITHIN_S: Final = 0.5


@contextmanager
def silent() -> Iterator[str]:
    """Take what is sent, and never answer."""
    with collecting() as collector:
        collector.open.clear()
        yield collector.url
        assert collector.traces, "nothing was sent, so nothing was shown"
        collector.open.set()


@contextmanager
def missing() -> Iterator[str]:
    """Refuse to connect."""
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def out_of_reach() -> Iterator[str]:
    """Accept no connection and refuse none: the queue of pending connections is full."""
    with ExitStack() as ending:
        server = ending.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        while True:
            waiting = ending.enter_context(socket.socket())
            waiting.settimeout(FULL_WITHIN_S)
            try:
                waiting.connect(server.getsockname())
            except TimeoutError:
                break
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("endpoint", [silent, missing, out_of_reach])
def test_orders_end_it_is_ready_all_along_and_it_ends_well(
    tmp_path: Path, endpoint: Callable[[], AbstractContextManager[str]]
) -> None:
    with (
        endpoint() as url,
        EmbeddedBroker(TOPICS) as broker,
        business_on(broker.bootstrap_servers, tmp_path, variables=SHORT | {"OTEL_EXPORTER_OTLP_ENDPOINT": url}) as shop,
    ):
        orders = shop.order(ORDERS)
        until(lambda: is_ready(shop) and orders.exit_code is not None, "all orders are over", 60)
        shop.ends()
        [dropped] = [line["spans"] for line in shop.serve.objects() if line["event"] == "spans were dropped"]
        assert dropped > ORDERS, "so much was taken that this shows nothing"


def is_ready(shop: Business) -> bool:
    answer = shop.serve.get("/readyz")
    assert answer is not None
    assert answer.status == 200, answer.body
    return True
