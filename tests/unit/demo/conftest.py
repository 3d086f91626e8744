"""An embedded broker with all topics of the conversation, and the coordinator's hands on it."""

from collections.abc import Iterator

import pytest

from saga_coordinator.service.demo.conversation import COMMAND_TOPICS, ORDERS, OUTCOMES
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.demo._support.hands import Hands


@pytest.fixture
def broker() -> Iterator[FaultyBroker]:
    topics = (*COMMAND_TOPICS, ORDERS, OUTCOMES, "saga.replies.v1")
    with FaultyBroker(dict.fromkeys(topics, 2)) as running:
        yield running


@pytest.fixture
def hands(broker: FaultyBroker) -> Iterator[Hands]:
    with Hands(broker.bootstrap_servers) as held:
        yield held
