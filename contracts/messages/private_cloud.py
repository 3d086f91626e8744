"""The conversation with our own cloud: reserve capacity, create machines in it, release both."""

from saga_coordinator.contracts.message import Command, Done, Reply

TOPIC = "private-cloud.commands.v1"


class CapacityReserved(Reply):
    """Hosts are reserved under `pool`."""

    message_type = "private-cloud.capacity-reserved.v1"

    pool: str


class ReserveCapacity(Command[CapacityReserved]):
    """Reserve hosts. A refusal says that there is no capacity."""

    message_type = "private-cloud.reserve-capacity.v1"
    topic = TOPIC

    request_id: str
    cores: int
    memory_gb: int


class ReleaseCapacity(Command[Done]):
    """Release the hosts. Without a `pool` they were never confirmed: identify them by the request."""

    message_type = "private-cloud.release-capacity.v1"
    topic = TOPIC

    request_id: str
    pool: str | None


class MachineCreated(Reply):
    """The machine is running."""

    message_type = "private-cloud.machine-created.v1"

    address: str


class CreateMachine(Command[MachineCreated]):
    """Create one machine in a pool."""

    message_type = "private-cloud.create-machine.v1"
    topic = TOPIC

    pool: str
    name: str
    cores: int
    memory_gb: int


class DeleteMachine(Command[Done]):
    """Delete one machine of a pool."""

    message_type = "private-cloud.delete-machine.v1"
    topic = TOPIC

    pool: str
    name: str
