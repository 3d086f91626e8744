"""Where a message belongs: what an event does to which saga, and which model a reply's type names."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, NamedTuple, TypeAlias

from saga_coordinator.contracts import CancelCommand, Command, Event, Failure, Message, Reply
from saga_coordinator.handlers.names import DEFAULT_NAMES, Names, dead_letter_topic, is_reply_topic
from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.language.nodes import Receive
from saga_coordinator.sagas.language.wording import format_count
from saga_coordinator.sagas.machine import Direction, Instance, address, instance_id
from saga_coordinator.sagas.machine.progress import find_command

AnySaga: TypeAlias = Saga[Any, Any]


class Role(Enum):
    """What an event, or a command that starts a child saga, does to an instance."""

    STARTS = "starts"
    CANCELS = "cancels"
    DELIVERS = "delivers"


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that a message does: it starts or cancels an instance of one saga, or is an event that it waits for."""

    saga: AnySaga
    role: Role
    receive: Receive[Any] | None = None

    def target(self, message: Message, id_: str) -> "Target":
        """Return where a message with this id goes. Raises what the saga's own functions raise."""
        saga = self.saga
        if isinstance(message, CancelCommand):
            return Target(self, instance_id(saga.name, message.command_id))
        if self.receive is not None:
            return Target(self, address_of(saga, self.receive, message))
        if saga.is_child:
            return Target(self, instance_id(saga.name, id_))
        return Target(self, instance_id(saga.name, saga.correlate(message)))


class Target(NamedTuple):
    """Where a message goes: to an instance by its id, or to those that wait for it at another address."""

    route: Route
    address: str

    @property
    def place(self) -> tuple[str, Role, str]:
        """What makes it unique: versions of a saga may wait for the same event, or be cancelled by it, alike."""
        return self.route.saga.name, self.route.role, self.address

    @property
    def is_instance(self) -> bool:
        """Whether the address is the id of an instance."""
        return self.route.receive is None or self.route.receive.expects is None


class LiveVersions(NamedTuple):
    """How many live instances a version of a saga has, and the correlation keys of those that began first."""

    saga: str
    version: int
    number: int
    keys: tuple[str, ...]


class UnwantedPolicy(StrEnum):
    """What becomes of records whose type no saga wants on their topic, and of tombstones."""

    IGNORE = "ignore"
    DEAD_LETTER = "dead-letter"


class BadCatalog(Exception):
    """The sagas of a catalog contradict each other, or a stored instance needs a definition that is not in it."""


class Routes:
    """An index of a catalog. Raises `BadCatalog` when two of its sagas contradict each other."""

    def __init__(
        self,
        catalog: Iterable[AnySaga],
        *,
        names: Names = DEFAULT_NAMES,
        unknown_types: UnwantedPolicy = UnwantedPolicy.IGNORE,
    ) -> None:
        self.names = names
        self.unknown_types = unknown_types
        self.sagas: dict[tuple[str, int], AnySaga] = {}
        self.newest: dict[str, AnySaga] = {}
        self.events: dict[str, tuple[type[Event], list[Route]]] = {}
        self.commands: dict[tuple[str, str], tuple[type[Message], list[Route]]] = {}
        self.replies: dict[str, type[Reply]] = {Failure.message_type: Failure}
        for saga in catalog:
            self._add(saga)
        for saga in self.newest.values():
            self._route_start(saga)
        for saga in self.sagas.values():
            if saga.cancel_on is not None:
                self._route(saga.cancel_on, Route(saga, Role.CANCELS))
            for receive in saga.plan.receives:
                self._route(receive.event, Route(saga, Role.DELIVERS, receive))

    @property
    def event_topics(self) -> frozenset[str]:
        """The topics that the coordinator listens to for events."""
        return frozenset(event.topic for event, _ in self.events.values())

    @property
    def command_topics(self) -> frozenset[str]:
        """The topics that the coordinator listens to for commands that start child sagas."""
        return frozenset(topic for topic, _ in self.commands)

    @property
    def topics_in(self) -> frozenset[str]:
        """All topics that the coordinator reads."""
        return self.event_topics | self.command_topics | {self.names.replies}

    def understood(self, topic: str, type_: str) -> tuple[type[Message], list[Route]] | None:
        """Return the model of a message and what it does; None if no saga understands this type on this topic."""
        if (topic, type_) in self.commands:
            return self.commands[topic, type_]
        event, routes = self.events.get(type_, (None, []))
        return (event, routes) if event is not None and event.topic == topic else None

    def known_on(self, topic: str) -> list[str]:
        """Return the types that are understood on a topic."""
        events = [name for name, (event, _) in self.events.items() if event.topic == topic]
        return sorted(events + [name for on, name in self.commands if on == topic])

    @property
    def topics_out(self) -> frozenset[str]:
        """All topics that the coordinator writes: commands, outcomes, dead letters."""
        commands = {command.topic for saga in self.sagas.values() for command in commands_of(saga)}
        outcomes = {self.names.outcomes(saga.name) for saga in self.sagas.values() if not saga.is_child}
        return frozenset(commands | outcomes | {dead_letter_topic(topic) for topic in self.topics_in})

    def saga_of(self, name: str, version: int) -> AnySaga:
        """Return the definition that an instance keeps. Raises `BadCatalog` if it is missing."""
        try:
            return self.sagas[name, version]
        except KeyError:
            raise BadCatalog(
                f"saga {name} version {version} is not in the catalog: add it again, "
                "and remove it only when its last instance has ended"
            ) from None

    def check_definitions(self, live: Iterable["LiveVersions"]) -> None:
        """Raise `BadCatalog`, naming each saga and version that has live instances and is missing here."""
        orphaned = [each for each in live if (each.saga, each.version) not in self.sagas]
        if orphaned:
            raise BadCatalog("\n".join(map(_orphaned, orphaned)))

    def check_name(self, leased: Iterable[str], live: Iterable["LiveVersions"]) -> None:
        """Raise `BadCatalog` if live instances expect their replies on the topic of another name.

        `leased` are the topics that the coordinator of this database has read.
        """
        former = sorted(each for each in leased if is_reply_topic(each) and each not in self.topics_in)
        if former and any(each.number for each in live):
            raise BadCatalog(
                f"live instances expect their replies on {former[0]}, and SAGA_NAME={self.names.coordinator} reads "
                f"{self.names.replies}: restore the name until they have ended, or give this coordinator a database "
                "of its own (SAGA_STORE)"
            )

    def _add(self, saga: AnySaga) -> None:
        if (saga.name, saga.version) in self.sagas:
            raise BadCatalog(f"saga {saga.name} version {saga.version} stands twice in the catalog: number them apart")
        self.sagas[saga.name, saga.version] = saga
        if saga.name not in self.newest or self.newest[saga.name].version < saga.version:
            self.newest[saga.name] = saga
        for command in commands_of(saga):
            _check_one_model(self.replies.setdefault(command.reply.message_type, command.reply), command.reply)

    def _route_start(self, saga: AnySaga) -> None:
        """An event starts one instance of each saga that starts on it; a command is carried out by one saga."""
        start = saga.starts_on
        if not issubclass(start, Command):
            self._route(start, Route(saga, Role.STARTS))
            return
        at = (start.topic, start.message_type)
        if at in self.commands:
            other = self.commands[at][1][0].saga.name
            raise BadCatalog(f"{start.message_type} starts both {other} and {saga.name}: a command is carried out once")
        self.commands[at] = (start, [Route(saga, Role.STARTS)])
        cancel = self.commands.setdefault((start.topic, CancelCommand.message_type), (CancelCommand, []))
        cancel[1].append(Route(saga, Role.CANCELS))

    def _route(self, event: type[Event], route: Route) -> None:
        known, routes = self.events.setdefault(event.message_type, (event, []))
        _check_one_model(known, event)
        routes.append(route)


def _check_one_model(known: type[Message], model: type[Message]) -> None:
    if known is not model:
        raise BadCatalog(f"{model.message_type} names two models, {known} and {model}: give one another type")


def _orphaned(live: LiveVersions) -> str:
    many = format_count(live.number, "live instance")
    named = ", ".join(map(repr, live.keys)) + (", …" if live.number > len(live.keys) else "")
    return (
        f"saga {live.saga} version {live.version} has {many} ({named}) but is not in the catalog: "
        f"add it again, and remove it only when its last instance has ended (`saga ls --saga {live.saga}`)"
    )


def commands_of(saga: AnySaga) -> Iterable[type[Command[Any]]]:
    for step_plan in saga.plan.steps.values():
        yield step_plan.command
        if step_plan.undo is not None:
            yield step_plan.undo


def address_of(saga: AnySaga, receive: Receive[Any], event: Message) -> str:
    """Return the address at which a receive waits for an event. Raises what the saga's own functions raise."""
    key = receive.key(event)
    return address(saga.name, receive.name, key) if receive.expects else instance_id(saga.name, key)


def awaited_reply(saga: AnySaga, instance: Instance[Any], command_id: str) -> type[Reply] | None:
    """Return the type of the reply to a command of this instance; None if it did not send it under this id."""
    found = find_command(instance, command_id)
    if found is None:
        return None
    step, direction, _ = found
    plan = saga.plan.step(step)
    command = plan.command if direction is Direction.FORWARD else plan.undo
    return None if command is None else command.reply
