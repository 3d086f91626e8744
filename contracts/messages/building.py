"""The conversation with the build machines: build, test, scan. An image that is not deployed does no harm."""

from saga_coordinator.contracts.message import Command, Done, Reply

TOPIC = "building.commands.v1"


class ImageBuilt(Reply):
    """The image is in the registry; `image` names it by its digest."""

    message_type = "building.image-built.v1"

    image: str


class BuildImage(Command[ImageBuilt]):
    """Build a commit."""

    message_type = "building.build-image.v1"
    topic = TOPIC
    safe = True

    service: str
    commit: str


class TestImage(Command[Done]):
    """Run all tests of an image. A failed test is a failure for which a retry cannot help."""

    message_type = "building.test-image.v1"
    topic = TOPIC
    safe = True

    image: str


class ScanImage(Command[Done]):
    """Scan an image for known vulnerabilities."""

    message_type = "building.scan-image.v1"
    topic = TOPIC
    safe = True

    image: str
