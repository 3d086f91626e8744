"""Holds a command against the published page: its value, its headers and the ids that must be derived."""

import json
from typing import Final
from uuid import UUID, uuid5

from saga_coordinator.service.demo.conversation import Command, instance_id
from saga_coordinator.service.demo.fields import wrong_fields

_FIXED: Final = {
    "ce_specversion": b"1.0",
    "ce_source": b"/saga-coordinator/order-fulfilment",
    "ce_replyto": b"saga.replies.v1",
    "content-type": b"application/json",
}
_PRESENT: Final = ("ce_time", "ce_causationid", "ce_sagastep", "ce_attempt", "traceparent")
_ATTEMPTS: Final = range(1, 33)


def wrong_value(command: Command) -> str | None:
    """Why the command cannot be carried out as it stands, or None: not JSON, or a field is missing or wrong."""
    try:
        value = json.loads(command.value)
    except ValueError as error:
        return f"its value is not JSON ({error})"
    wrong = wrong_fields(value, command.kind.fields)
    if wrong:
        return f"missing or wrong in its value: {', '.join(wrong)}"
    if value["order_id"] != command.order_id:
        return f"its record key {command.order_id!r} is not its order_id {value['order_id']!r}"
    return None


def deviations(command: Command) -> list[str]:
    """What differs from the page without hindering the work, each as a clause about the command."""
    headers = command.headers
    found = [f"{name} is {headers.get(name)!r}, not {want!r}" for name, want in _expected(command).items()
             if headers.get(name) != want]  # fmt: skip
    found += [f"it has no {name}" for name in _PRESENT if not headers.get(name)]
    if not _is_derived(command):
        found.append("its ce_id is not UUIDv5 of instance and <step>/<direction>/<attempt>")
    return found


def _expected(command: Command) -> dict[str, bytes]:
    return {
        **_FIXED,
        "ce_subject": command.order_id.encode(),
        "ce_sagadirection": command.kind.direction.encode(),
        "ce_correlationid": str(instance_id(command.order_id)).encode(),
    }


def _is_derived(command: Command) -> bool:
    step = command.headers.get("ce_sagastep", b"").decode(errors="replace")
    return any(command.id == command_id(command.order_id, step, command.kind.direction, n) for n in _ATTEMPTS)


def command_id(order_id: str, step: str, direction: str, attempt: int) -> str:
    """The id that the page derives for a command; `attempt` counts from 1."""
    instance: UUID = instance_id(order_id)
    return str(uuid5(instance, f"{step}/{direction}/{attempt}"))
