"""The conversation with the storage: create a volume for a server, and delete it."""

from saga_coordinator.contracts.message import Command, Done

TOPIC = "storage.commands.v1"


class AttachVolume(Command[Done]):
    """Create a volume and attach it to a server."""

    message_type = "storage.attach-volume.v1"
    topic = TOPIC

    server: str
    address: str
    size_gb: int


class DeleteVolume(Command[Done]):
    """Detach and delete the volume of a server."""

    message_type = "storage.delete-volume.v1"
    topic = TOPIC

    server: str
