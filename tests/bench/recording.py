"""The records of many orders, as the intake gets them: recorded once, so that each run receives the same."""

import json
from base64 import b64decode, b64encode
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from saga_coordinator.contracts.messages.orders import OrderPlaced
from saga_coordinator.handlers.names import DEFAULT_NAMES
from saga_coordinator.handlers.ports import Lane
from saga_coordinator.handlers.records import Committed, Place, RawHeaders, Record
from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.clients import FetchedRecord
from saga_coordinator.service.demo.command_handler import CommandHandler
from saga_coordinator.service.demo.conversation import COMMAND_TOPICS, reply_headers
from saga_coordinator.service.demo.orders import Mix, order_event
from tests.bench.harness import handlers, partition_of

TOPICS = (OrderPlaced.topic, DEFAULT_NAMES.replies)
BATCH = 100
IN_FLIGHT = 400
AT = "2026-01-01T00:00:00Z"
TIMESTAMP = 1_767_225_600_000
SEED = 1


async def record(orders: int, database: Path) -> Sequence[Record]:
    """Let orders pass through the handlers, and return all records that these received, in their order.

    400 orders are in flight, one in ten is declined at shipping, and a reply comes some 400 records after its command.
    """
    conversation = _Conversation(orders)
    async with handlers(database, TOPICS, conversation, lambda _: True) as wired:
        while batch := conversation.next_batch():
            await wired.intake.receive(batch)
    return conversation.records


def write(file: Path, records: Sequence[Record]) -> None:
    """Write records as JSON, one a line."""
    with file.open("w", encoding="utf-8") as output:
        for each in records:
            headers = [(name, _encoded(value)) for name, value in each.headers]
            row = (*each.place, each.timestamp, _encoded(each.key), _encoded(each.value), headers)
            output.write(json.dumps(row) + "\n")


def read(file: Path) -> Sequence[Record]:
    """Read what `write` has written."""
    records = []
    for line in file.read_text(encoding="utf-8").splitlines():
        topic, partition, offset, timestamp, key, value, headers = json.loads(line)
        decoded = tuple((name, _decoded(value)) for name, value in headers)
        place = Place(topic, partition, offset)
        records.append(Record(place, timestamp, _decoded(key), _decoded(value), decoded))
    return records


class _Conversation:
    """The shop and the participants: as an observer it reads what was committed, and answers the commands in it."""

    def __init__(self, orders: int) -> None:
        self.records: list[Record] = []
        self._orders = iter(range(orders))
        self._waiting: deque[Record] = deque()
        self._ends: Counter[tuple[str, int]] = Counter()
        self._participants = CommandHandler(None, Behaviour(checks=False), on_command=None, warn=print)
        self._place_orders(IN_FLIGHT)

    def next_batch(self) -> Sequence[Record]:
        """Return the next records; none when all orders have their outcome."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        self.records += batch
        return batch

    def on_commit(self, committed: Committed) -> None:
        for message in committed.changes.outbox:
            if message.topic in COMMAND_TOPICS:
                self._answer(FetchedRecord(message.topic, 0, 0, message.key, message.value, list(message.headers)))
            else:
                self._place_orders(1)

    def on_error(self, what: str, error: BaseException) -> None:
        raise RuntimeError(what) from error

    def on_stopped(self, at: Lane, reason: str) -> None:
        raise RuntimeError(f"{at}: {reason}")

    def _answer(self, received: FetchedRecord) -> None:
        command = self._participants.read(received)
        assert command is not None, f"{received} is no command"
        for answer in self._participants.execute(command):
            headers = reply_headers(command, answer.reply, answer.message_id, at=AT)
            self._append(command.reply_to, received.key, answer.reply.value.encode(), tuple(headers))

    def _place_orders(self, number: int) -> None:
        for _, order in zip(range(number), self._orders, strict=False):
            event = order_event(order, SEED, Mix(large=0.0), at=AT)
            self._append(OrderPlaced.topic, event.key, event.value, tuple(event.headers))

    def _append(self, topic: str, key: bytes | None, value: bytes, headers: RawHeaders) -> None:
        partition = partition_of(key or b"")
        place = Place(topic, partition, self._ends[topic, partition])
        self._ends[topic, partition] += 1
        self._waiting.append(Record(place, TIMESTAMP, key, value, headers))


def _encoded(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
