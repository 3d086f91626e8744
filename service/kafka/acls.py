"""The rights in Kafka that a coordinator needs, and no others: those of its topics and of its group."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from saga_coordinator.handlers.routing import Routes
from saga_coordinator.service.settings import KafkaSettings


class Acl(NamedTuple):
    """A right on a topic or a group; without an `optional` one the coordinator works, with a default."""

    resource: str
    name: str
    operation: str
    purpose: str
    optional: bool = False

    def command(self, settings: KafkaSettings, principal: str) -> str:
        """Return the command of Kafka's own tool that gives it."""
        tool = ["kafka-acls.sh", "--bootstrap-server", settings.bootstrap_servers, "--add"]
        right = ["--allow-principal", principal, "--operation", self.operation, f"--{self.resource}", self.name]
        return shlex.join([*tool, *right])


def principal(settings: KafkaSettings) -> str:
    """Return who the coordinator is for Kafka's authorizer, as far as its settings say."""
    return f"User:{settings.sasl_username or settings.client_id}"


def missing_acls(needed: Sequence[Acl], allowed: Mapping[tuple[str, str], Collection[str]]) -> Sequence[Acl]:
    """Return the rights that are lacking, given the operations that are allowed on resources by kind and name.

    Of a resource that is not there nothing is known.
    """
    places = ((each, allowed.get((each.resource, each.name))) for each in needed if not each.optional)
    return [each for each, operations in places if operations is not None and each.operation not in operations]


def acls(settings: KafkaSettings, routes: Routes) -> Sequence[Acl]:
    """Return the rights of the coordinator that runs a catalog. Read and Write include Describe."""
    written = set(routes.topics_out)
    if any(saga.is_child for saga in routes.sagas.values()):
        written.add(routes.names.replies)  # the reply of a child saga to a parent of this coordinator
    limited = sorted(written | {routes.names.replies})
    return [
        Acl("group", settings.group, "Read", "its place in the group, and its offsets"),
        *(Acl("topic", name, "Read", "events, commands and replies") for name in sorted(routes.topics_in)),
        *(Acl("topic", name, "Write", "commands, outcomes and dead letters") for name in sorted(written)),
        *(Acl("topic", name, "DescribeConfigs", "its largest message", optional=True) for name in limited),
    ]
