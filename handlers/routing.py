"""Where a message belongs: which sagas an event starts or cancels, and which model a reply's type names."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from contracts import Command, Event, Failure, Reply
from sagas.machine import Instance, Saga

REPLIES = "saga.replies.v1"

AnySaga: TypeAlias = Saga[Any, Any]


class Role(Enum):
    """What an event does to an instance."""

    STARTS = "starts"
    CANCELS = "cancels"


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that an event does: it starts or cancels the instance of one saga."""

    saga: AnySaga
    role: Role


class BadCatalog(Exception):
    """The sagas of a catalog contradict each other, or a stored instance needs a definition that is not in it."""


class Routes:
    """An index of a catalog. Raises `BadCatalog` when two of its sagas contradict each other."""

    def __init__(self, catalog: Iterable[AnySaga]) -> None:
        self.sagas: dict[tuple[str, int], AnySaga] = {}
        self.newest: dict[str, AnySaga] = {}
        self.events: dict[str, tuple[type[Event], list[Route]]] = {}
        self.replies: dict[str, type[Reply]] = {Failure.message_type: Failure}
        for saga in catalog:
            self._add(saga)
        for saga in self.newest.values():
            self._route(saga.starts_on, Route(saga, Role.STARTS))
            if saga.cancel_on is not None:
                self._route(saga.cancel_on, Route(saga, Role.CANCELS))

    @property
    def event_topics(self) -> frozenset[str]:
        """The topics that the coordinator listens to for events."""
        return frozenset(event.topic for event, _ in self.events.values())

    @property
    def topics_in(self) -> frozenset[str]:
        """All topics that the coordinator reads."""
        return self.event_topics | {REPLIES}

    @property
    def topics_out(self) -> frozenset[str]:
        """All topics that the coordinator writes: commands, outcomes, dead letters."""
        commands = {command.topic for saga in self.sagas.values() for command in commands_of(saga)}
        outcomes = {saga.outcome_topic for saga in self.sagas.values()}
        return frozenset(commands | outcomes | {dead_letter_topic(topic) for topic in self.topics_in})

    def saga_of(self, name: str, version: int) -> AnySaga:
        """Return the definition that an instance keeps. Raises `BadCatalog` if it is missing."""
        try:
            return self.sagas[name, version]
        except KeyError:
            raise BadCatalog(
                f"saga {name} version {version} has live instances but is not in the catalog: add it again, "
                "and remove it only when its last instance is over"
            ) from None

    def _add(self, saga: AnySaga) -> None:
        if (saga.name, saga.version) in self.sagas:
            raise BadCatalog(f"saga {saga.name} version {saga.version} stands twice in the catalog: number them apart")
        self.sagas[saga.name, saga.version] = saga
        if saga.name not in self.newest or self.newest[saga.name].version < saga.version:
            self.newest[saga.name] = saga
        for command in commands_of(saga):
            self._expect(command.reply)

    def _expect(self, reply: type[Reply]) -> None:
        known = self.replies.setdefault(reply.message_type, reply)
        if known is not reply:
            raise BadCatalog(f"{reply.message_type} names two models, {known} and {reply}: give one another type")

    def _route(self, event: type[Event], route: Route) -> None:
        known, routes = self.events.setdefault(event.message_type, (event, []))
        if known is not event:
            raise BadCatalog(f"{event.message_type} names two models, {known} and {event}: give one another type")
        routes.append(route)


def commands_of(saga: AnySaga) -> Iterable[type[Command[Any]]]:
    """Yield every command type that a saga sends."""
    for rule in saga.table.values():
        yield rule.command
        if rule.undo is not None:
            yield rule.undo


def dead_letter_topic(topic: str) -> str:
    """Return where the dead letters of a topic are published."""
    return f"{topic}-dlt"


def awaited_reply(saga: AnySaga, instance: Instance[Any], command_id: str) -> type[Reply] | None:
    """Return the type of the reply to a command of this instance; None if it did not send it under this id."""
    for name, run in instance.steps.items():
        if run.forward.command_id == command_id:
            return saga.table[name].command.reply
        if run.compensation is not None and run.compensation.command_id == command_id:
            undo = saga.table[name].undo
            return None if undo is None else undo.reply
    return None
