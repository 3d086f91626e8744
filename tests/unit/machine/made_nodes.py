"""Nodes made to order that need more than a name: lists, whose items the start brings, and waits for a payment."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from saga_coordinator.contracts import Command
from saga_coordinator.sagas import PATIENT, Retry, for_each, receive
from saga_coordinator.sagas.language.nodes import ForEach, Receive
from tests.unit.machine.made import MINUTE, Data, Did, Paid, command


def items(data: Data) -> tuple[str, ...]:
    return data.items


def itself(item: str) -> str:
    return item


def makes_each(made: type[Command[Any]]) -> Callable[[Data, str], Command[Any]]:
    """A function that makes this command from the data and an item."""

    def make(data: Data, item: str) -> Command[Any]:
        return made.model_validate({"key": data.key, "seen": data.seen, "item": item})

    make.__name__ = made.message_type
    make.__annotations__ = {"data": Data, "item": str, "return": made}
    return make


def remembers_each(name: str) -> Callable[[Data, str, Did], Data]:
    """A function that adds the step's name and its item to what was seen."""

    def remember(data: Data, item: str, reply: Did) -> Data:
        entry = f"{name} {item}:{reply.word}" if reply.word else f"{name} {item}"
        return data.model_copy(update={"seen": (*data.seen, entry)})

    return remember


def each(
    name: str,
    *,
    undone: bool = True,
    limit: int | None = None,
    timeout: timedelta = MINUTE,
    retry: Retry | None = None,
    compensate_retry: Retry = PATIENT,
) -> ForEach[Data]:
    """A step for each of the items; `undone`: it can be undone."""
    return for_each(
        name,
        items,
        makes_each(command(name, of_item=True)),
        key=itself,
        remember=remembers_each(name),
        compensate=makes_each(command(name, undo=True, of_item=True)) if undone else None,
        limit=limit,
        timeout=timeout,
        retry=retry,
        compensate_retry=compensate_retry,
    )


def payer(event: Paid) -> str:
    return event.key


def billed(event: Paid) -> str:
    return event.bill


def bill(data: Data) -> str:
    return f"bill of {data.key}"


def awaits(name: str, *, billed_to: bool = False, timeout: timedelta = MINUTE) -> Receive[Data]:
    """Waits for a payment with the correlation key, or (`billed_to`) with a key that the data hold."""

    def remember(data: Data, event: Paid) -> Data:
        entry = f"{name}:{event.word}" if event.word else name
        return data.model_copy(update={"seen": (*data.seen, entry)})

    if billed_to:
        return receive(name, Paid, key=billed, expects=bill, remember=remember, timeout=timeout)
    return receive(name, Paid, key=payer, remember=remember, timeout=timeout)
