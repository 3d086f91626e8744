"""What the five participants answer: each command through its ledger, late, lost or twice as the behaviour wants it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from saga_coordinator.service.demo.behaviour import Behaviour, chance
from saga_coordinator.service.demo.clients import FetchedRecord, Warn
from saga_coordinator.service.demo.conversation import (
    EncodedReply,
    Malformed,
    ReceivedCommand,
    deviations,
    read_command,
    wrong_value,
)
from saga_coordinator.service.demo.ledger import Effect, LedgerEntry, open_ledgers


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to send, `after_s` seconds from now."""

    command: ReceivedCommand
    reply: EncodedReply
    message_id: str
    after_s: float


@dataclass(frozen=True, slots=True)
class HandledCommand:
    """A command that reached its participant, for observers. `at` is in nanoseconds since 1970."""

    participant: str
    name: str
    order_id: str
    effect: Effect
    repeat: bool
    replies: int
    at: int = field(default_factory=time.time_ns, compare=False)


Watch: TypeAlias = Callable[[HandledCommand], None]


class CommandHandler:
    """The five participants without their Kafka: records in, answers out, ledgers written.

    The caller sends an answer only after `flush`, so that nothing is answered that a kill could make undone.
    """

    def __init__(self, ledger_dir: Path | None, behaviour: Behaviour, *, on_command: Watch | None, warn: Warn) -> None:
        self.ledgers = open_ledgers(ledger_dir)
        self.commands = 0
        self.malformed = 0
        self._behaviour = behaviour
        self._on_command = on_command
        self._warn = warn
        self._delayed: set[str] = set()

    def read(self, record: FetchedRecord) -> ReceivedCommand | None:
        """Return the command in a record; one that cannot be carried out is counted, noted and warned about."""
        command = read_command(record.topic, record.key, record.value, record.headers)
        if isinstance(command, Malformed):
            wrong: str | None = command.reason
        elif not self._behaviour.checks or (wrong := wrong_value(command)) is None:
            return command
        self.malformed += 1
        place = f"{record.topic}:{record.partition}:{record.offset}"
        self._warn(f"a record at {place} is no command and stays unanswered: {wrong}")
        self.ledgers[record.topic.split(".")[0]].add_violation(f"the record at {place} is no command: {wrong}")
        return None

    def delivery_delay(self, command: ReceivedCommand) -> float:
        """Return for how many seconds this delivery waits before `execute`; mostly 0."""
        behaviour, kind = self._behaviour, command.kind
        first = command.id not in self._delayed and not self.ledgers[kind.participant].has(command.id)
        if first and behaviour.happens("late_effects", kind.name, command.id):
            self._delayed.add(command.id)
            return behaviour.late_by_s
        return 0.0

    def execute(self, command: ReceivedCommand) -> list[Answer]:
        """Carry out, compensate or refuse the command, once for its id; return the same reply for every repeat."""
        self.commands += 1
        ledger = self.ledgers[command.kind.participant]
        entry = ledger.find_repeat(command)
        if entry is not None:
            answers = [Answer(command, entry.reply, f"re-{command.id}", 0.0)]
            self._notify(command, entry, answers, repeat=True)
            return answers
        if self._behaviour.checks:
            for clause in deviations(command):
                ledger.add_violation(f"{command.kind.type} {command.id} of order {command.order_id}: {clause}")
        entry = ledger.execute(command, self._behaviour.refusal(command.kind, command.order_id, command.id))
        answers = self._answers(command, entry.reply)
        self._notify(command, entry, answers, repeat=False)
        return answers

    def drops_trace(self, command: ReceivedCommand) -> bool:
        return command.kind.participant in self._behaviour.drops_trace

    def flush(self) -> None:
        """Write all ledgers; after that the answers may leave."""
        for ledger in self.ledgers.values():
            ledger.flush()

    def close(self) -> None:
        for ledger in self.ledgers.values():
            ledger.close()

    def _answers(self, command: ReceivedCommand, reply: EncodedReply) -> list[Answer]:
        behaviour, name = self._behaviour, command.kind.name
        if behaviour.happens("lost_replies", name, command.id):
            return []
        late = behaviour.late_by_s if behaviour.happens("late_replies", name, command.id) else 0.0
        message_ids = [f"re-{command.id}"]
        if behaviour.happens("duplicate_replies", name, command.id):
            same = chance(behaviour.seed, "same id twice", command.id) < 0.5  # noqa: PLR2004  (half of them)
            message_ids.append(message_ids[0] if same else f"re-{command.id}-again")
        return [Answer(command, reply, each, behaviour.think_time_s + late) for each in message_ids]

    def _notify(self, command: ReceivedCommand, entry: LedgerEntry, answers: list[Answer], *, repeat: bool) -> None:
        if self._on_command is not None:
            kind, effect = command.kind, entry.effect
            self._on_command(
                HandledCommand(kind.participant, kind.name, command.order_id, effect, repeat, len(answers))
            )
