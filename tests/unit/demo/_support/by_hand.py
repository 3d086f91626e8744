"""Commands written by hand from the published page: the coordinator's side of the conversation."""

import json
import time
from collections.abc import Callable
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from saga_coordinator.service.demo.clients import FetchedRecord
from saga_coordinator.service.demo.conversation import ReceivedCommand, read_command

TRACEPARENT: Final = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

_LINES: Final = [{"sku": "kettle-1l", "quantity": 2, "unit_price": "39.99"}]
_BILL: Final[dict[str, object]] = {"customer_id": "customer-7", "amount": "79.98", "currency": "EUR"}
_REFUND: Final[dict[str, object]] = {"charge_id": None, "amount": "79.98", "currency": "EUR"}
_NOTICE: Final[dict[str, object]] = {"customer_id": "customer-7", "tracking": "T-1"}
_ADDRESS: Final = {"street": "Nyhavn 22", "city": "Copenhagen", "postcode": "1051", "country": "DK"}
_COMMANDS: Final[dict[str, tuple[str, str, dict[str, object]]]] = {
    "reserve-stock": ("inventory", "reserve-stock", {"lines": _LINES}),
    "release-stock": ("inventory", "reserve-stock", {"reservation_id": None}),
    "charge-card": ("payments", "charge-card", _BILL),
    "refund-card": ("payments", "charge-card", _REFUND),
    "review-fraud": ("reviews", "review-fraud", _BILL),
    "ship-order": ("shipping", "ship-order", {"ship_to": _ADDRESS, "lines": _LINES}),
    "notify-customer": ("notifications", "notify-customer", _NOTICE),
}


def command_id(name: str, order: str, attempt: int = 1) -> str:
    """The id that the page derives for this command."""
    instance = uuid5(NAMESPACE_URL, f"saga:order-fulfilment/{order}")
    direction = "compensation" if name in ("release-stock", "refund-card") else "forward"
    return str(uuid5(instance, f"{_COMMANDS[name][1]}/{direction}/{attempt}"))


def headers(name: str, order: str, attempt: int = 1) -> dict[str, bytes]:
    """All headers of a command as the coordinator sends it."""
    participant, step, _ = _COMMANDS[name]
    undo = name in ("release-stock", "refund-card")
    fields = {
        "ce_specversion": "1.0",
        "ce_id": command_id(name, order, attempt),
        "ce_source": "/saga-coordinator/order-fulfilment",
        "ce_type": f"{participant}.{name}.v1",
        "ce_time": "2026-01-01T12:00:00Z",
        "ce_subject": order,
        "content-type": "application/json",
        "ce_correlationid": str(uuid5(NAMESPACE_URL, f"saga:order-fulfilment/{order}")),
        "ce_causationid": "the-order-event",
        "ce_replyto": "saga.replies.v1",
        "ce_sagastep": step,
        "ce_sagadirection": "compensation" if undo else "forward",
        "ce_attempt": str(attempt),
        **({"ce_compensates": command_id(step, order)} if undo else {}),
        "tracestate": "vendor=opaque",
    }
    return {name: value.encode() for name, value in fields.items()} | {"traceparent": TRACEPARENT}


def value(name: str, order: str, **changed: object) -> bytes:
    """The JSON value of a command."""
    return json.dumps({"order_id": order, **_COMMANDS[name][2], **changed}).encode()


def topic(name: str) -> str:
    """The topic on which a command goes out."""
    return f"{_COMMANDS[name][0]}.commands.v1"


def record(name: str, order: str, *, attempt: int = 1, **changed: object) -> FetchedRecord:
    """A command as it lies in Kafka; `changed` fields of its value differ from what is usual."""
    fields = list(headers(name, order, attempt).items())
    return FetchedRecord(topic(name), 0, 0, order.encode(), value(name, order, **changed), fields)


def command(name: str, order: str, *, attempt: int = 1, **changed: object) -> ReceivedCommand:
    """A command as a participant reads it."""
    it = record(name, order, attempt=attempt, **changed)
    read = read_command(it.topic, it.key, it.value, it.headers)
    assert isinstance(read, ReceivedCommand)
    return read


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 20.0) -> None:
    """Return when the condition holds; fail, saying what was awaited, when the limit has passed."""
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, f"after {limit_s} s still not: {what}"
        time.sleep(0.01)
