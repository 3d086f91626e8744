"""The five participants of order fulfilment as one Kafka client: commands in, effects in the ledgers, replies out."""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from confluent_kafka import Consumer, KafkaException, TopicPartition

from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.clients import DemoClient, FetchedRecord, Later, Properties, Warn, to_stderr
from saga_coordinator.service.demo.command_handler import Answer, CommandHandler, Watch
from saga_coordinator.service.demo.conversation import COMMAND_TOPICS, ReceivedCommand, reply_headers

GROUP: Final = "demo-participants"

_Place: TypeAlias = tuple[str, int]
_IDLE_WAIT_S: Final = 0.2
_COMMIT_EVERY_S: Final = 1.0
_FLUSH_LIMIT_S: Final = 5.0


class Participants:
    """Inventory, payments, reviews, shipping and notifications, one consumer and one producer for all.

    At least once: an offset is committed only after the replies to all records before it were acknowledged. What is
    delivered again finds its entry in the ledger, and gets the same reply. `ready` is set once the topics are assigned;
    the ledgers of `handler` are complete once `run` has returned.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        ledger_dir: Path | None,
        behaviour: Behaviour,
        *,
        on_ready: Callable[[], None] | None = None,
        on_command: Watch | None = None,
        properties: Properties | None = None,
        warn: Warn = to_stderr,
    ) -> None:
        """Open ledgers and clients.

        Each participant keeps its ledger in `<ledger_dir>/<participant>.jsonl`, or in memory; `on_command` is called in
        the running thread for each command that was carried out; `properties` are for both librdkafka clients.
        """
        self.ready = threading.Event()
        self._on_ready = on_ready
        self.handler = CommandHandler(ledger_dir, behaviour, on_command=on_command, warn=warn)
        self._warn = warn
        self._client = DemoClient(bootstrap_servers, GROUP, properties or {}, warn)
        self._positions: dict[_Place, int] = {}
        self._committed: dict[_Place, int] = {}
        self._waiting = Later[tuple[FetchedRecord, ReceivedCommand | Answer]]()

    def run(self, stop: threading.Event) -> None:
        """Carry out commands until `stop` is set; then replies that are due leave, and offsets are committed."""
        self._client.consumer.subscribe(
            list(COMMAND_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        next_commit = time.monotonic() + _COMMIT_EVERY_S
        try:
            while not stop.is_set():
                self._receive(self._client.fetch(self._waiting.wait_s(_IDLE_WAIT_S)))
                self._client.producer.poll(0)
                if time.monotonic() >= next_commit:
                    self._commit()
                    next_commit = time.monotonic() + _COMMIT_EVERY_S
        finally:
            self._close()

    def _receive(self, records: Iterable[FetchedRecord]) -> None:
        """Carry out what came and what is due, write the ledgers, send what is to be sent at once."""
        answers: list[Answer] = []
        for record in records:
            self._positions[record.topic, record.partition] = record.offset + 1
            command = self.handler.read(record)
            if command is None:
                continue
            if delay_s := self.handler.delivery_delay(command):
                self._waiting.put(delay_s, (record, command))
            else:
                answers += self._execute(record, command)
        for record, what in self._waiting.due():
            answers += [what] if isinstance(what, Answer) else self._execute(record, what)
        self.handler.flush()
        self._send(answers)

    def _execute(self, record: FetchedRecord, command: ReceivedCommand) -> list[Answer]:
        answers = self.handler.execute(command)
        for answer in answers:
            if answer.after_s:
                self._waiting.put(answer.after_s, (record, answer))
        return [answer for answer in answers if not answer.after_s]

    def _send(self, answers: list[Answer]) -> None:
        at = datetime.now(UTC).isoformat()
        for answer in answers:
            command, reply = answer.command, answer.reply
            traced = not self.handler.drops_trace(command)
            headers = reply_headers(command, reply, answer.message_id, at=at, traced=traced)
            self._client.send(command.reply_to, command.order_id.encode(), reply.value.encode(), headers)

    def _commit(self, *, wait: bool = False) -> None:
        """Commit up to the first record whose reply has not left; nothing, while replies are unacknowledged."""
        answered = self._answered()
        if not answered or answered == self._committed or self._client.producer.flush(_FLUSH_LIMIT_S):
            return
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in answered.items()]
        if wait:
            self._client.consumer.commit(offsets=offsets, asynchronous=False)
        else:
            self._client.consumer.commit(offsets=offsets, asynchronous=True)
        self._committed = answered

    def _answered(self) -> dict[_Place, int]:
        answered = dict(self._positions)
        for record, _ in self._waiting:
            place = (record.topic, record.partition)
            if place in answered:
                answered[place] = min(answered[place], record.offset)
        return answered

    def _assigned(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        if self._on_ready is not None and not self.ready.is_set():
            self._on_ready()
        self.ready.set()

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self._commit(wait=True)
        except KafkaException as error:
            self._warn(f"offsets were not committed before a rebalance, commands will come again: {error}")
        self._lost(_consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._positions.pop((each.topic, each.partition), None)

    def _close(self) -> None:
        """Send what is due and commit; what is not due yet or cannot be sent will be delivered again."""
        try:
            self._receive([])
            self._client.close()
        finally:
            self.handler.close()
