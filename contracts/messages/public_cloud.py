"""The conversation with a public cloud: create a network and machines in it, and delete them."""

from saga_coordinator.contracts.message import Command, Done, Reply

TOPIC = "public-cloud.commands.v1"


class NetworkCreated(Reply):
    """The network exists as `network_id`."""

    message_type = "public-cloud.network-created.v1"

    network_id: str


class CreateNetwork(Command[NetworkCreated]):
    """Create a network that is connected to ours."""

    message_type = "public-cloud.create-network.v1"
    topic = TOPIC

    request_id: str


class DeleteNetwork(Command[Done]):
    """Delete the network. Without a `network_id` it was never confirmed: identify it by the request."""

    message_type = "public-cloud.delete-network.v1"
    topic = TOPIC

    request_id: str
    network_id: str | None


class MachineRented(Reply):
    """The machine is running, and is billed."""

    message_type = "public-cloud.machine-rented.v1"

    address: str


class RentMachine(Command[MachineRented]):
    """Rent one machine in a network."""

    message_type = "public-cloud.rent-machine.v1"
    topic = TOPIC

    network_id: str
    name: str
    cores: int
    memory_gb: int


class EndRent(Command[Done]):
    """Return one machine."""

    message_type = "public-cloud.end-rent.v1"
    topic = TOPIC

    network_id: str
    name: str
