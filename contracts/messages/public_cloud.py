"""The conversation with a cloud for hire: a network of our own, machines in it, and their end."""

from saga_coordinator.contracts.message import Command, Done, Reply

TOPIC = "public-cloud.commands.v1"


class NetworkCreated(Reply):
    """The network is there as `network_id`."""

    message_type = "public-cloud.network-created.v1"

    network_id: str


class CreateNetwork(Command[NetworkCreated]):
    """Make a network that is joined to ours."""

    message_type = "public-cloud.create-network.v1"
    topic = TOPIC

    request_id: str


class DeleteNetwork(Command[Done]):
    """Delete the network. Without a `network_id` it was never confirmed: go by the request."""

    message_type = "public-cloud.delete-network.v1"
    topic = TOPIC

    request_id: str
    network_id: str | None


class MachineRented(Reply):
    """The machine runs, and costs."""

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
    """Give one machine back."""

    message_type = "public-cloud.end-rent.v1"
    topic = TOPIC

    network_id: str
    name: str
