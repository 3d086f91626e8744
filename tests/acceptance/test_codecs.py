"""Orders and replies of producers that compress: with each codec of Kafka they are read."""

import json
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.acceptance._support.foreign_client import (
    ANSWERS,
    CHARGE,
    CONFIRMED,
    NOTIFY,
    ORDERS,
    PLACED,
    RESERVE,
    SHIP,
    ForeignClient,
    Received,
    echoed,
    order_fields,
)
from tests.support.kafka.java import JavaKafka

pytestmark = pytest.mark.kafka

LONG = {"note": "what compresses well " * 200}
"""A batch that would grow is sent as it is."""


class Compressing:
    """A shop and participants whose producer compresses."""

    def __init__(self, bootstrap_servers: str, codec: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap_servers, "compression.type": codec})

    def place(self, order: str) -> None:
        """Place an order."""
        headers = {"ce_id": str(uuid4()), "ce_source": "/shop", "ce_type": PLACED}
        self._send(ORDERS, order, order_fields(order), headers)

    def answer(self, command: Received) -> None:
        """Say that a command was carried out."""
        type_, fields = ANSWERS[command.type]
        headers = {name: text for name, text in echoed(command, type_).items() if text is not None}
        self._send(command["ce_replyto"], command.order, dict(fields), headers)

    def _send(self, topic: str, key: str, fields: dict[str, object], headers: dict[str, str]) -> None:
        raw: dict[str, str | bytes | None] = {
            name: text.encode() for name, text in ({"ce_specversion": "1.0"} | headers).items()
        }
        self._producer.produce(topic, json.dumps(fields | LONG).encode(), key.encode(), headers=raw)
        assert self._producer.flush(30) == 0


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_orders_and_replies_are_read_with_each_codec(
    client: ForeignClient, orders_kafka: JavaKafka, codec: str
) -> None:
    order, compressing = f"compressed-{codec}", Compressing(orders_kafka.bootstrap_servers, codec)
    compressing.place(order)
    for type_ in (RESERVE, CHARGE, SHIP, NOTIFY):
        compressing.answer(client.wait_for(order, type_))
    client.wait_for(order, CONFIRMED)
