"""What the published page claims of the coordinator's messages, as assertions: topic, key, ids, headers, value."""

import re
from typing import Final

from tests.acceptance._support.foreign_client import (
    CHARGE,
    COMMAND_TOPICS,
    CONFIRMED,
    NOTIFY,
    OUTCOMES,
    REFUND,
    REJECTED,
    RELEASE,
    RESERVE,
    REVIEW,
    SHIP,
    STEPS,
    Fields,
    ForeignClient,
    Received,
    Sent,
    command_id,
    instance_of,
)
from tests.acceptance._support.processes import Serve

INVENTORY, PAYMENTS, REVIEWS, SHIPPING, NOTIFICATIONS = COMMAND_TOPICS
TOPIC_OF: Final = {
    RESERVE: INVENTORY,
    RELEASE: INVENTORY,
    CHARGE: PAYMENTS,
    REFUND: PAYMENTS,
    REVIEW: REVIEWS,
    SHIP: SHIPPING,
    NOTIFY: NOTIFICATIONS,
    CONFIRMED: OUTCOMES,
    REJECTED: OUTCOMES,
}
DIFFERS: Final[dict[str, re.Pattern[str]]] = {
    "ce_time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"),
    "traceparent": re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01"),
}
"""Headers of which the documentation specifies only the form."""


def assert_is_command(
    received: Received, *, caused_by: Sent, fields: Fields, undoes: str | None = None, attempt: int = 1
) -> None:
    """A command is published as the page says; `undoes` is the id of the command that it takes back."""
    step, direction = STEPS[received.type]
    expected = {
        "ce_id": command_id(received.order, received.type, attempt),
        "ce_replyto": "saga.replies.v1",
        "ce_sagastep": step,
        "ce_sagadirection": direction,
        "ce_attempt": str(attempt),
    }
    assert_is_message(received, caused_by, fields, expected | ({} if undoes is None else {"ce_compensates": undoes}))


def assert_is_outcome(received: Received, *, caused_by: Sent, fields: Fields) -> None:
    """An outcome is published as the page says; of its id it says only that there is one."""
    assert_is_message(received, caused_by, fields, {"ce_id": received["ce_id"]})


def assert_is_message(received: Received, caused_by: Sent, fields: Fields, more: dict[str, str]) -> None:
    """A message stands where it belongs, and has these headers, each once, and no others."""
    assert received.topic == TOPIC_OF[received.type]
    assert received.fields == fields
    common = {
        "ce_specversion": "1.0",
        "content-type": "application/json",
        "ce_source": "/saga-coordinator/order-fulfilment",
        "ce_type": received.type,
        "ce_subject": received.order,
        "ce_correlationid": instance_of(received.order),
        "ce_causationid": caused_by.id,
    }
    plain = sorted((name, raw.decode()) for name, raw in received.headers if name not in DIFFERS)
    assert plain == sorted((common | more).items())
    for name, form in DIFFERS.items():
        assert form.fullmatch(received[name]), f"{name}: {received[name]}"


def assert_nothing_else_was_said(client: ForeignClient, serve: Serve) -> None:
    """When the service has ended, its topics hold what the tests have heard and nothing else."""
    assert serve.stop() == 0
    client.drain()
    said: dict[str, list[str]] = {}
    for each in client.received:
        if not each.is_dead:
            said.setdefault(each.order, []).append(each.type)
    assert sorted(each.origin for each in client.received if each.is_dead) == sorted(client.expected_dead)
    assert {order: sorted(types) for order, types in said.items()} == client.expected
