"""The conversation with the register of servers: enter those that are in use, and are paid for."""

from collections.abc import Mapping

from saga_coordinator.contracts.message import Command, Done

TOPIC = "server-register.commands.v1"


class RegisterServers(Command[Done]):
    """Enter servers under their owner. From then on they are the owner's to use and to give back."""

    message_type = "server-register.register-servers.v1"
    topic = TOPIC

    request_id: str
    owner: str
    cloud: str
    addresses: Mapping[str, str]
