"""How a participant is declared: its name, and a handler for each of its commands. A value; nothing runs here."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, overload

from saga_coordinator.contracts import Command, Done, Failure, Reply

ReplyT = TypeVar("ReplyT", bound=Reply)
SessionT = TypeVar("SessionT")

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Original(Generic[ReplyT]):
    """The command that a compensation undoes: it was executed, with this reply, and is not undone yet."""

    id: str
    command: Command[ReplyT]
    reply: ReplyT


@dataclass(frozen=True, slots=True)
class TransactionalHandler(Generic[SessionT]):
    """A function whose whole effect is in the transaction that it is given. `transactional` makes one."""

    command: type[Command[Any]]
    function: Callable[..., Awaitable[Reply]]
    compensates: type[Command[Any]] | None = None


@overload
def transactional(
    command: type[Command[ReplyT]], function: Callable[[Any, SessionT], Awaitable[ReplyT | Failure]]
) -> TransactionalHandler[SessionT]: ...


@overload
def transactional(
    command: type[Command[Done]],
    function: Callable[[Any, Original[ReplyT], SessionT], Awaitable[Done | Failure]],
    *,
    compensates: type[Command[ReplyT]],
) -> TransactionalHandler[SessionT]: ...


def transactional(
    command: type[Command[Any]],
    function: Callable[..., Awaitable[Reply]],
    *,
    compensates: type[Command[Any]] | None = None,
) -> TransactionalHandler[Any]:
    """Return the handler of a command, whose effect is committed with its reply, or not at all.

    `function` gets the command and the open transaction, and returns the reply, or a `Failure`: then the transaction is
    rolled back to where it began. If it raises, that is done too, and it is called again; the third time the reply
    is a retryable failure. A handler with `compensates` also gets the `Original`. It is called only if there is
    something to undo, and at most once successfully for each original.
    """
    return TransactionalHandler(command, function, compensates)


class Participant(Generic[SessionT]):
    """A service that carries out commands. Its topics are those of its commands, its `ce_source` is `/<name>`.

    Raises `ValueError` for a declaration that cannot work.
    """

    def __init__(self, name: str, *handlers: TransactionalHandler[SessionT]) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"participant {name!r}: name it in kebab-case, such as card-payments")
        self.name: Final = name
        self.handlers: Final[Mapping[str, TransactionalHandler[SessionT]]] = {
            each.command.message_type: each for each in handlers
        }
        problems = [*_list_problems(handlers)]
        if problems:
            raise ValueError(f"participant {name}: {'; '.join(problems)}")

    @property
    def topics(self) -> frozenset[str]:
        """The topics that its commands come on."""
        return frozenset(each.command.topic for each in self.handlers.values())


def _list_problems(handlers: tuple[TransactionalHandler[Any], ...]) -> Iterable[str]:
    if not handlers:
        yield "it has no handler: give it one for each of its commands"
    commands = [each.command for each in handlers]
    for each in handlers:
        name = each.command.__name__
        if [one.message_type for one in commands].count(each.command.message_type) > 1:
            yield f"{name} has two handlers: a command has one"
        if each.compensates is not None and each.compensates not in commands:
            yield (
                f"{name} compensates {each.compensates.__name__}, which has no handler here: only the participant that "
                "has executed a command knows whether there is something to undo"
            )
        if each.compensates is not None and each.command.reply is not Done:
            yield f"{name} replies {each.command.reply.__name__}: the reply of a compensation is Done"
        yield from _list_problems_of_function(each)


def _list_problems_of_function(handler: TransactionalHandler[Any]) -> Iterable[str]:
    wanted = 2 if handler.compensates is None else 3
    name = getattr(handler.function, "__name__", repr(handler.function))
    parameters = [*inspect.signature(handler.function, eval_str=True).parameters.values()]
    if len(parameters) != wanted:
        yield f"{name} has {len(parameters)} parameters: a handler of {handler.command.__name__} has {wanted}"
    elif parameters[0].annotation is not handler.command:
        yield f"annotate the first parameter of {name} with {handler.command.__name__}"
