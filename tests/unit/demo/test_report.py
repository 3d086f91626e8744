"""What a demo prints at its end fits on a terminal."""

from datetime import UTC, datetime, timedelta
from io import StringIO

from rich.console import Console

from saga_coordinator.contracts.messages.orders import OrderPlaced
from saga_coordinator.handlers.records import Entry, Verdict
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.testing.generate.messages import generate
from saga_coordinator.sagas.testing.scenario import given
from saga_coordinator.service.demo.report import history
from saga_coordinator.service.demo.story import OrderStory

PLACED_AT = datetime(2026, 1, 1, tzinfo=UTC)


OUTCOME = "orders.order-confirmed-after-a-review-of-its-customer.v1"


def test_the_history_breaks_no_word_on_80_columns() -> None:
    entry = Entry(
        instance_id="i", seq=1, at=PLACED_AT + timedelta(milliseconds=2_105), kind="start", verdict=Verdict.APPLIED,
        reason=None, message_id="m", message_type="orders.order-placed.v1", message_source=None, causation_id=None,
        value=None, decided='{"status": "running", "outcome": "' + OUTCOME + '"}', place=None,
        trace_id="t", span_id="s",
    )  # fmt: skip
    instance = given(order_fulfilment, generate(OrderPlaced)).instance
    placed_at = int(PLACED_AT.timestamp()) * 10**9
    out = StringIO()
    story = OrderStory(order_fulfilment, instance, [], placed_at, entries=[entry])
    Console(file=out, width=80, color_system=None).print(history(story))

    heading, line, sent = (line.rstrip() for line in out.getvalue().splitlines())
    assert heading.split()[:2] == ["at", "ms"]
    assert line == "2,105 started by orders.order-placed.v1"
    assert sent.split() == ["→", OUTCOME]
