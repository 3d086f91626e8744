"""The names of one coordinator: all topics, sources and groups that are its own begin with its name."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

REPLIES_SUFFIX: Final = ".replies.v1"


@dataclass(frozen=True)
class Names:
    """What a coordinator is called in Kafka. Coordinators that share a cluster need names of their own."""

    coordinator: str = "saga"

    @cached_property
    def replies(self) -> str:
        """The topic of the replies to its commands."""
        return f"{self.coordinator}{REPLIES_SUFFIX}"

    @cached_property
    def client(self) -> str:
        """Its consumer group and its client id."""
        return f"{self.coordinator}-coordinator"

    def outcomes(self, saga: str) -> str:
        """Return the topic of a saga's outcomes. Those of a child saga go to the reply topic of its command."""
        return f"{self.coordinator}.{saga}.outcomes.v1"

    def source(self, saga: str) -> str:
        """Return the `ce_source` of what a saga sends."""
        return f"/{self.client}/{saga}"


DEFAULT_NAMES: Final = Names()


def is_reply_topic(topic: str) -> bool:
    """Return whether a topic is the reply topic of a coordinator, of whatever name."""
    return topic.endswith(REPLIES_SUFFIX)


def dead_letter_topic(topic: str) -> str:
    """Return where the dead letters of a topic are published."""
    return f"{topic}-dlt"
