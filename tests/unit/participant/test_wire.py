"""What a participant does with a record that is no command of its own."""

from dataclasses import replace
from decimal import Decimal

import pytest

from saga_coordinator.contracts.messages.payments import RefundCard
from saga_coordinator.service.participant.records import IncomingRecord
from tests.unit.participant._support.warehouse import TOPIC, Warehouse, record, release, reserve, with_header

REFUND = record(
    "p-1", RefundCard(order_id="o-1", charge_id=None, amount=Decimal("9.99"), currency="EUR"), "o-1", compensates="c"
)


@pytest.mark.parametrize("other", [REFUND, replace(reserve("c-1"), value=None), replace(reserve("c-1"), topic="x")])
async def test_what_others_are_to_answer_is_left_alone(inventory: Warehouse, other: IncomingRecord) -> None:
    await inventory.receives(other)

    assert await inventory.sent() == []


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (replace(reserve("c-1"), headers=(("ce_type", b"x"), ("other", None))), b"specversion is missing"),
        (with_header(reserve("c-1"), "ce_replyto", "orders.events.v1"), b"replies go to saga.replies.v1 only"),
        (with_header(reserve("c-1"), "ce_compensates", "c-0"), b"compensates nothing here"),
        (release("u-1", ""), b"ce_compensates"),
    ],
)
async def test_what_nobody_can_be_answered_for_is_a_dead_letter(
    inventory: Warehouse, wrong: IncomingRecord, cause: bytes
) -> None:
    await inventory.receives(wrong)

    [letter] = await inventory.sent()
    headers = dict(letter.headers)
    assert letter.topic == f"{TOPIC}-dlt"
    assert cause in headers["kafka_dlt-exception-message"]
    assert headers["kafka_dlt-original-offset"] == (7).to_bytes(8, "big")
    assert inventory.calls == []


async def test_a_value_too_large_for_a_dead_letter_is_left_out(inventory: Warehouse) -> None:
    await inventory.receives(replace(reserve("c-1"), value=b"x" * 900_001, headers=()))

    [letter] = await inventory.sent()
    assert letter.value is None
    assert b"of 900001 bytes is left out" in dict(letter.headers)["kafka_dlt-exception-message"]
