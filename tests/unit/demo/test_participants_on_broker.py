"""The five participants on a broker, with the coordinator played by hand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.clients import FetchedRecord
from saga_coordinator.service.demo.conversation import COMMANDS, CommandKind
from saga_coordinator.service.demo.participants import GROUP, Participants
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.demo._support.by_hand import command_id, headers, topic, wait_until
from tests.unit.demo._support.hands import QUICK_TAKEOVER, Hands

pytestmark = pytest.mark.slow

WILLING = Behaviour(declines={})


def headers_of(record: FetchedRecord) -> dict[str, bytes]:
    return {name: value for name, value in record.headers if value is not None}


@contextmanager
def running(
    broker: FaultyBroker,
    behaviour: Behaviour = WILLING,
    *,
    ledgers: Path | None = None,
    warnings: list[str] | None = None,
) -> Iterator[Participants]:
    collected = [] if warnings is None else warnings
    participants = Participants(
        broker.bootstrap_servers, ledgers, behaviour, properties=QUICK_TAKEOVER, warn=collected.append
    )
    stop = threading.Event()
    thread = threading.Thread(target=participants.run, args=(stop,))
    thread.start()
    try:
        assert participants.ready.wait(20), collected
        yield participants
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def committed(broker: FaultyBroker, name: str) -> int:
    """How many records of a topic the group has committed."""
    asking = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": GROUP})
    try:
        places = asking.committed([TopicPartition(name, each) for each in range(2)], timeout=10)
        return sum(max(0, place.offset) for place in places)
    finally:
        asking.close()


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=lambda kind: str(kind.name))
def test_each_command_is_answered_where_it_asks_with_what_it_must_find_again(
    broker: FaultyBroker, hands: Hands, kind: CommandKind
) -> None:
    name = kind.name
    hands.listen("saga.replies.v1")
    with running(broker):
        hands.command(name, "o-1")
        (reply,) = hands.wait_for(1)

    asked, fields = headers(name, "o-1"), headers_of(reply)
    assert reply.key == b"o-1"
    assert fields["ce_causationid"] == asked["ce_id"]
    for echoed in ("ce_correlationid", "traceparent", "tracestate", "ce_subject"):
        assert fields[echoed] == asked[echoed]
    assert fields["ce_type"].decode() == kind.model.reply.message_type
    assert fields["ce_id"] != asked["ce_id"]
    assert fields["ce_source"].startswith(b"/demo/")


def test_a_command_sent_twice_is_answered_twice_alike_and_effected_once_i8(broker: FaultyBroker, hands: Hands) -> None:
    hands.listen("saga.replies.v1")
    with running(broker) as participants:
        hands.command("charge-card", "o-1")
        hands.command("charge-card", "o-1")
        first, second = hands.wait_for(2)

    assert (first.key, first.value) == (second.key, second.value)
    assert sum(entry.net for entry in participants.handler.ledgers["payments"].entries) == 1
    assert participants.handler.ledgers["payments"].repeats == 1


def test_a_declined_command_is_answered_by_a_terminal_failure(broker: FaultyBroker, hands: Hands) -> None:
    hands.listen("saga.replies.v1")
    with running(broker, Behaviour(declines={"ship-order": 1.0})):
        hands.command("ship-order", "o-1")
        (reply,) = hands.wait_for(1)

    assert headers_of(reply)["ce_type"] == b"saga.failure.v1"
    fields = json.loads(reply.value or b"")
    assert fields["message"]
    assert {name: fields[name] for name in ("code", "retryable", "details")} == {
        "code": "no-carrier",
        "retryable": False,
        "details": None,
    }


def test_an_undo_before_its_command_is_done_and_the_late_original_refused_i15(
    broker: FaultyBroker, hands: Hands
) -> None:
    hands.listen("saga.replies.v1")
    with running(broker) as participants:
        hands.command("refund-card", "o-1")
        hands.wait_for(1)
        hands.command("charge-card", "o-1")
        undo, late = hands.wait_for(2)

    assert headers_of(undo)["ce_type"] == b"saga.done.v1"
    assert json.loads(late.value or b"")["code"] == "compensated-already"
    assert sum(entry.net for entry in participants.handler.ledgers["payments"].entries) == 0


def test_a_participant_that_drops_the_trace_still_names_the_command(broker: FaultyBroker, hands: Hands) -> None:
    hands.listen("saga.replies.v1")
    with running(broker, Behaviour(declines={}, drops_trace=frozenset({"shipping"}))):
        hands.command("ship-order", "o-1")
        (reply,) = hands.wait_for(1)

    fields = headers_of(reply)
    assert "traceparent" not in fields
    assert fields["ce_causationid"].decode() == command_id("ship-order", "o-1")


def test_what_is_no_command_is_complained_about_and_the_next_one_answered(broker: FaultyBroker, hands: Hands) -> None:
    warnings: list[str] = []
    hands.listen("saga.replies.v1")
    with running(broker, warnings=warnings) as participants:
        hands.send(topic("ship-order"), "o-1", b"not json", headers("ship-order", "o-1"))
        hands.send(topic("ship-order"), "o-1", b"{}", {})
        hands.command("ship-order", "o-1")
        hands.wait_for(1)

    assert participants.handler.malformed == 2
    assert len(warnings) == 2
    assert all("shipping.commands.v1" in warning for warning in warnings)


def test_started_again_they_go_on_where_they_were_and_remember_what_they_did(
    broker: FaultyBroker, hands: Hands, tmp_path: Path
) -> None:
    hands.listen("saga.replies.v1")
    with running(broker, ledgers=tmp_path):
        hands.command("charge-card", "o-1")
        hands.wait_for(1)
    with running(broker, ledgers=tmp_path) as participants:
        hands.command("charge-card", "o-2")
        hands.wait_for(2)
        assert participants.handler.commands == 1
        hands.command("charge-card", "o-1")
        first, _, again = hands.wait_for(3)

    assert again.value == first.value
    assert participants.handler.ledgers["payments"].repeats == 1


def test_an_offset_is_committed_after_its_reply_and_not_before(broker: FaultyBroker, hands: Hands) -> None:
    hands.listen("saga.replies.v1")
    with running(broker, Behaviour(declines={}, late_replies={"charge-card": 1.0}, late_by_s=5.0)) as participants:
        hands.command("ship-order", "o-1")
        hands.command("charge-card", "o-1")
        hands.wait_for(1)
        wait_until(lambda: committed(broker, "shipping.commands.v1") == 1, "the answered command committed")
        assert participants.handler.commands == 2
        assert committed(broker, "payments.commands.v1") == 0
        hands.wait_for(2)
        wait_until(lambda: committed(broker, "payments.commands.v1") == 1, "the late one committed")


def test_a_quiet_run_ends_without_a_warning(broker: FaultyBroker, hands: Hands) -> None:
    warnings: list[str] = []
    hands.listen("saga.replies.v1")
    with running(broker, warnings=warnings):
        hands.command("charge-card", "o-1")
        hands.wait_for(1)
        wait_until(lambda: committed(broker, "payments.commands.v1") == 1, "the command committed")
        hands.command("refund-card", "o-1")
        hands.wait_for(2)

    assert warnings == []
    assert committed(broker, "payments.commands.v1") == 2


def test_after_a_broker_was_away_they_go_on_unaided_i34(broker: FaultyBroker, hands: Hands) -> None:
    warnings: list[str] = []
    hands.listen("saga.replies.v1")
    with running(broker, warnings=warnings):
        broker.set_down()
        wait_until(lambda: bool(warnings), "a warning about the broker")
        broker.set_up()
        hands.command("charge-card", "o-1")
        (reply,) = hands.wait_for(1)

    assert headers_of(reply)["ce_causationid"].decode() == command_id("charge-card", "o-1")
