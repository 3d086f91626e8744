"""The conversation with the name service: names for servers, and their removal."""

from collections.abc import Mapping

from saga_coordinator.contracts.message import Command, Done

TOPIC = "dns.commands.v1"


class PublishNames(Command[Done]):
    """Let names point to addresses."""

    message_type = "dns.publish-names.v1"
    topic = TOPIC

    addresses: Mapping[str, str]


class RemoveNames(Command[Done]):
    """Remove names."""

    message_type = "dns.remove-names.v1"
    topic = TOPIC

    names: tuple[str, ...]
