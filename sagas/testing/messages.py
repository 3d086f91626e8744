"""How a scenario names what a saga has sent, compares it with what a test expects, and finds where an event goes."""

from typing import Any

from saga_coordinator.contracts import Command, Event
from saga_coordinator.sagas.machine import Direction, Saga, Send, address, instance_id


def is_that(send: Send, direction: Direction, expected: str | Command[Any]) -> bool:
    """Say whether a command that was sent is the expected one."""
    if send.direction is not direction:
        return False
    if isinstance(expected, str):
        return send.step == expected
    return type(expected) is send.command and send.command.model_validate_json(send.payload) == expected


def called(step: str, direction: Direction) -> str:
    """Name a step in one direction."""
    return step if direction is Direction.FORWARD else f"the undo of {step}"


def told(send: Send) -> str:
    """Tell a command that was sent, in a line."""
    return f"{called(send.step, send.direction)}, attempt {send.attempt}: {send.command.__name__} {send.payload}"


def destination(saga: Saga[Any, Any], event: Event) -> str:
    """Return where an event goes: to the receive that expects its key, or to the instance of its correlation key."""
    for node in saga.receives:
        if isinstance(event, node.event):
            key = node.key(event)
            return address(saga.name, node.name, key) if node.expects else instance_id(saga.name, key)
    return instance_id(saga.name, saga.correlate(event))
