"""The five participants of order fulfilment as one Kafka client: commands in, effects in the ledgers, replies out."""

import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias

from confluent_kafka import Consumer, KafkaException, TopicPartition

from saga_coordinator.service.demo.answering import Answer, CommandHandler, Watch
from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.clients import (
    Properties,
    Record,
    Warn,
    close_producer,
    fetch,
    new_consumer,
    new_producer,
    send,
    to_stderr,
)
from saga_coordinator.service.demo.conversation import COMMAND_TOPICS, Command, reply_headers
from saga_coordinator.service.demo.ledger import Ledger

GROUP: Final = "demo-participants"

_Place: TypeAlias = tuple[str, int]
_IDLE_WAIT_S: Final = 0.2
_COMMIT_EVERY_S: Final = 1.0
_FLUSH_LIMIT_S: Final = 5.0


class Participants:
    """Inventory, payments, reviews, shipping and notifications, one consumer and one producer for all.

    At least once: an offset is committed only after the replies to all records before it were acknowledged. What is
    delivered again finds its entry in the ledger, and gets the same reply. `ready` is set once the topics are assigned.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        ledger_dir: Path | None,
        behaviour: Behaviour,
        *,
        on_hop: Watch | None = None,
        properties: Properties | None = None,
        warn: Warn = to_stderr,
    ) -> None:
        """Open ledgers and clients.

        Args:
            bootstrap_servers: As Kafka clients take it: `host:port,host:port`.
            ledger_dir: Where each participant keeps its ledger, `<participant>.jsonl`; None keeps them in memory.
            behaviour: Who declines, forgets, delays.
            on_hop: Called in the running thread for each command that was carried out.
            properties: Further properties for both librdkafka clients, such as `security.protocol`.
            warn: Takes sentences about what is wrong.
        """
        self.ready = threading.Event()
        self._answering = CommandHandler(ledger_dir, behaviour, on_hop=on_hop, warn=warn)
        self._complain = warn
        self._consumer = new_consumer(bootstrap_servers, GROUP, properties or {}, warn)
        self._producer = new_producer(bootstrap_servers, properties or {}, warn)
        self._positions: dict[_Place, int] = {}
        self._committed: dict[_Place, int] = {}
        self._waiting: list[tuple[float, int, Record, Command | Answer]] = []
        self._sequence = count()

    @property
    def ledgers(self) -> dict[str, Ledger]:
        """The five ledgers by participant; complete once `run` has returned."""
        return self._answering.ledgers

    @property
    def commands(self) -> int:
        """How many commands were carried out or answered again."""
        return self._answering.commands

    @property
    def malformed(self) -> int:
        """How many records were no commands."""
        return self._answering.malformed

    def run(self, stop: threading.Event) -> None:
        """Carry out commands until `stop` is set; then replies that are due leave, and offsets are committed."""
        self._consumer.subscribe(
            list(COMMAND_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        next_commit = time.monotonic() + _COMMIT_EVERY_S
        try:
            while not stop.is_set():
                self._receive(fetch(self._consumer, self._patience(), self._complain))
                self._producer.poll(0)
                if time.monotonic() >= next_commit:
                    self._commit()
                    next_commit = time.monotonic() + _COMMIT_EVERY_S
        finally:
            self._close()

    def _patience(self) -> float:
        if not self._waiting:
            return _IDLE_WAIT_S
        return min(_IDLE_WAIT_S, max(0.0, self._waiting[0][0] - time.monotonic()))

    def _receive(self, records: Iterable[Record]) -> None:
        """Carry out what came and what is due, write the ledgers, send what is to be sent at once."""
        answers: list[Answer] = []
        for record in records:
            self._positions[record.topic, record.partition] = record.offset + 1
            command = self._answering.read(record)
            if command is None:
                continue
            if delay_s := self._answering.delivery_delay(command):
                self._wait(delay_s, record, command)
            else:
                answers += self._execute(record, command)
        answers += self._due()
        self._answering.flush()
        self._send(answers)

    def _execute(self, record: Record, command: Command) -> list[Answer]:
        answers = self._answering.execute(command)
        for answer in answers:
            if answer.after_s:
                self._wait(answer.after_s, record, answer)
        return [answer for answer in answers if not answer.after_s]

    def _wait(self, seconds: float, record: Record, what: Command | Answer) -> None:
        heappush(self._waiting, (time.monotonic() + seconds, next(self._sequence), record, what))

    def _due(self) -> list[Answer]:
        due: list[Answer] = []
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, _, record, what = heappop(self._waiting)
            due += [what] if isinstance(what, Answer) else self._execute(record, what)
        return due

    def _send(self, answers: list[Answer]) -> None:
        at = datetime.now(UTC).isoformat()
        for answer in answers:
            command, reply = answer.command, answer.reply
            traced = not self._answering.drops_trace(command)
            headers = reply_headers(command, reply, answer.message_id, at=at, traced=traced)
            send(self._producer, command.reply_to, command.order_id.encode(), reply.value, headers)

    def _commit(self, *, wait: bool = False) -> None:
        """Commit up to the first record whose reply has not left; nothing, while replies are unacknowledged."""
        answered = self._answered()
        if not answered or answered == self._committed or self._producer.flush(_FLUSH_LIMIT_S):
            return
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in answered.items()]
        if wait:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        else:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        self._committed = answered

    def _answered(self) -> dict[_Place, int]:
        answered = dict(self._positions)
        for _, _, record, _ in self._waiting:
            place = (record.topic, record.partition)
            if place in answered:
                answered[place] = min(answered[place], record.offset)
        return answered

    def _assigned(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.ready.set()

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self._commit(wait=True)
        except KafkaException as error:
            self._complain(f"offsets were not committed before a rebalance, commands will come again: {error}")
        self._lost(_consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._positions.pop((each.topic, each.partition), None)

    def _close(self) -> None:
        """Send what is due and commit; what is not due yet or cannot be sent will be delivered again."""
        try:
            self._receive([])
            self._consumer.close()
            close_producer(self._producer, self._complain)
        finally:
            self._answering.close()
