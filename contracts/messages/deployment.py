"""The conversation with the deployer: release an image to a host, restore the one before, promote it."""

from saga_coordinator.contracts.message import Command, Done

TOPIC = "deployment.commands.v1"


class DeployHost(Command[Done]):
    """Run an image on a host, once the host is drained; the reply is sent when the host takes load again."""

    message_type = "deployment.deploy-host.v1"
    topic = TOPIC

    release_id: str
    host: str
    image: str


class RestoreHost(Command[Done]):
    """Run on a host what ran there before the release."""

    message_type = "deployment.restore-host.v1"
    topic = TOPIC

    release_id: str
    host: str


class PromoteRelease(Command[Done]):
    """Make an image the one for new hosts, and delete the one before: it cannot be restored any more."""

    message_type = "deployment.promote-release.v1"
    topic = TOPIC

    release_id: str
    service: str
    image: str


class AnnounceRelease(Command[Done]):
    """Inform everybody who depends on the service."""

    message_type = "deployment.announce-release.v1"
    topic = TOPIC

    release_id: str
    service: str
    commit: str
