"""The conversation with the deployer: a release on a host, what was there before, and what is there from now on."""

from saga_coordinator.contracts.message import Command, Done

TOPIC = "deployment.commands.v1"


class DeployHost(Command[Done]):
    """Run an image on a host, once the host is drained; answered when the host takes load again."""

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
    """Make an image what new hosts get, and forget what ran before: from now on there is only a next release."""

    message_type = "deployment.promote-release.v1"
    topic = TOPIC

    release_id: str
    service: str
    image: str


class AnnounceRelease(Command[Done]):
    """Tell everybody who depends on the service."""

    message_type = "deployment.announce-release.v1"
    topic = TOPIC

    release_id: str
    service: str
    commit: str
