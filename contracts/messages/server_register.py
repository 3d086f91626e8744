"""The conversation with the register of servers: register those that are in use and billed."""

from collections.abc import Mapping

from saga_coordinator.contracts.message import Command, Done

TOPIC = "server-register.commands.v1"


class RegisterServers(Command[Done]):
    """Register servers under their owner, who from then on uses and returns them."""

    message_type = "server-register.register-servers.v1"
    topic = TOPIC

    request_id: str
    owner: str
    cloud: str
    addresses: Mapping[str, str]
