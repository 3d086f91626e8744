"""Anything that may come, at random: orders, cancels and replies, early, late, twice, wrong and unreadable."""

from datetime import timedelta
from random import Random

from saga_coordinator.handlers.records import OutboxMessage, Record
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import ANSWERS, EVENTS, REPLIES, Log, attributes, placed_value, type_of

PAUSES = (timedelta(0), timedelta(milliseconds=1), timedelta(seconds=3), timedelta(minutes=3), timedelta(hours=2))
WEIGHTS = (20, 20, 10, 2, 1)
PARTITIONS = 2


class Mixture:
    """Makes batches out of chance, and of what the coordinator has sent so far."""

    def __init__(self, it: Coordinator, seed: int) -> None:
        self.records: list[Record] = []
        self._it = it
        self._log = Log()
        self._chance = Random(seed)

    async def stir(self, batches: int) -> None:
        """Give the coordinator so many batches, and let time pass and timers fire in between."""
        for _ in range(batches):
            batch = [self._any() for _ in range(self._chance.randint(1, 12))]
            self.records += batch
            await self._it.take(*batch)
            self._it.clock.pass_by(*self._chance.choices(PAUSES, WEIGHTS))
            while await self._it.timers.fire_due():
                pass

    def _any(self) -> Record:
        commands = [row for row in self._it.messages if type_of(row) in ANSWERS and not row.topic.endswith("-dlt")]
        if not commands or self._chance.random() < 0.3:
            return self._event()
        return self._reply(self._chance.choice(commands[-30:]))

    def _event(self) -> Record:
        order, partition = f"o-{self._chance.randrange(40)}", self._chance.randrange(PARTITIONS)
        match self._chance.randrange(7):
            case 0:
                return self._log.cancelled(order, partition=partition)
            case 1:
                return self._log.record(EVENTS, order, placed_value(order, total="no"), (), partition=partition)
            case 2:
                return self._log.placed(order, partition=partition, total="1000")
            case 3:
                headers = tuple(attributes("e", "orders.order-praised.v1").items())
                return self._log.record(EVENTS, order, b"{}", headers, partition=partition)
            case _:
                return self._log.placed(order, partition=partition)

    def _reply(self, command: OutboxMessage) -> Record:
        partition = self._chance.randrange(PARTITIONS)
        match self._chance.randrange(16):
            case 0:
                return self._log.refuse(command, partition=partition)
            case 1:
                return self._log.refuse(command, retryable=True, partition=partition)
            case 2:
                return self._log.reply(
                    command, "payments.card-charged.v1", b'{"charge_id": "C-9"}', partition=partition
                )
            case 3:
                return self._log.answer(command, partition=partition, ce_causationid="nobody's")
            case 4:
                return self._log.record(REPLIES, None, b"", (), partition=partition)
            case _:
                return self._log.answer(command, partition=partition)
