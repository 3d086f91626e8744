"""The conversation with the saga that provisions servers, and with the service that removes them again."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from saga_coordinator.contracts.message import Command, Done, Reply

TOPIC = "provisioning.commands.v1"


class Server(BaseModel):
    """A server that is wanted; `disk_gb` is the volume that it keeps its data on."""

    model_config = ConfigDict(frozen=True)

    name: str
    cores: int = Field(ge=1)
    memory_gb: int = Field(ge=1)
    disk_gb: int = Field(ge=1)


class ServersProvisioned(Reply):
    """All servers are running; `addresses` holds the address of each by its name."""

    message_type = "provisioning.servers-provisioned.v1"

    cloud: str
    addresses: Mapping[str, str]


class ProvisionServers(Command[ServersProvisioned]):
    """Provide servers, in the first cloud that has capacity."""

    message_type = "provisioning.provision-servers.v1"
    topic = TOPIC
    cancellable = True

    request_id: str
    owner: str
    servers: Annotated[tuple[Server, ...], Field(min_length=1, max_length=200)]


class DecommissionServers(Command[Done]):
    """Remove all servers of a request."""

    message_type = "provisioning.decommission-servers.v1"
    topic = "decommissioning.commands.v1"

    request_id: str
