"""An embedded broker with all topics of the conversation, and the coordinator's hands on it."""

from collections.abc import Iterator

import pytest

from saga_coordinator.service.demo.conversation import COMMAND_TOPICS, ORDERS, OUTCOMES
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.unit.demo._support.hands import Hands


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    topics = (*COMMAND_TOPICS, ORDERS, OUTCOMES, "saga.replies.v1")
    with EmbeddedBroker(dict.fromkeys(topics, 2)) as running:
        yield running


@pytest.fixture
def hands(broker: EmbeddedBroker) -> Iterator[Hands]:
    with Hands(broker.bootstrap_servers) as held:
        yield held
