"""`saga topics`: the Kafka topics that the catalog needs."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer
from rich.text import Text

from saga_coordinator.handlers.routing import Routes
from saga_coordinator.service.cli.console import echo, fail, print_json, remark, table
from saga_coordinator.service.cli.definitions import load_routes
from saga_coordinator.service.cli.environment import load_settings, silence_libraries
from saga_coordinator.service.cli.options import Json, group
from saga_coordinator.service.kafka import admin
from saga_coordinator.service.kafka.acls import acls as needed_acls
from saga_coordinator.service.kafka.acls import principal as own_principal
from saga_coordinator.service.kafka.admin import Topic, TopicState
from saga_coordinator.service.settings import KafkaSettings
from saga_coordinator.service.views.values import to_json

MARKS: Final = {
    TopicState.EXISTS: Text("✔ exists", "green"),
    TopicState.MISSING: Text("✘ missing", "red"),
    TopicState.DIFFERS: Text("≠ fewer partitions", "yellow"),
}

Partitions = Annotated[int, typer.Option(min=1, max=1000, help="Partitions of a topic that is created")]

topics = group("The Kafka topics that the catalog needs.")


@topics.command("plan")
def plan(*, partitions: Partitions = 4, json: Json = False) -> None:
    """Show which topics exist, are missing, or differ.

    JSON: [{"name", "purpose", "state": "exists|missing|differs", "partitions", "wanted", "advice": [TEXT]}]
    """
    settings, routes = _load()
    planned = asyncio.run(admin.plan(settings, routes, partitions))
    _print(planned, {}, json=json)
    missing = [topic.name for topic in planned if topic.state is TopicState.MISSING]
    if missing:
        remark(f"Missing: {len(missing)} of {len(planned)} topics; `saga topics apply` creates them.")


@topics.command("acls")
def acls(
    *,
    principal: Annotated[
        str | None, typer.Option(help="Whose rights; without it User: and SAGA_KAFKA__SASL_USERNAME")
    ] = None,
    json: Json = False,
) -> None:
    """Print the rights that the coordinator needs, as commands of Kafka's own tool.

    JSON: [{"resource": "topic|group", "name", "operation", "purpose", "optional"}]
    """
    settings, routes = _load()
    needed = needed_acls(settings, routes)
    if json:
        print_json([each._asdict() for each in needed])
        return
    owner = principal or own_principal(settings)
    for each in needed:
        echo(f"{each.command(settings, owner)}  # {each.purpose}{', optional' if each.optional else ''}")


@topics.command("apply")
def apply(
    *,
    partitions: Partitions = 4,
    replication: Annotated[
        int | None, typer.Option(min=1, max=100, help="Replicas; without it 3, or one for each broker if fewer")
    ] = None,
    json: Json = False,
) -> None:
    """Create the missing topics, with a retention of 14 days and, of three replicas, two that must acknowledge.

    Topics that exist are neither changed nor deleted.

    JSON: as `plan`, and beside each topic that could not be created "refused", the reason.
    """
    settings, routes = _load()
    planned, refused = asyncio.run(admin.apply(settings, routes, partitions, replication))
    _print(planned, refused, json=json)
    if refused:
        fail("; ".join(f"{name} was not created: {reason}" for name, reason in refused.items()))


def _load() -> tuple[KafkaSettings, Routes]:
    silence_libraries()
    settings = load_settings()
    return settings.kafka, load_routes(settings)


def _print(topics: Sequence[Topic], refused: Mapping[str, str], *, json: bool) -> None:
    if json:
        print_json([_to_json(topic, refused) for topic in topics])
        return
    for topic in topics:
        for advice in topic.advice:
            remark(f"{topic.name}: {advice}")
    rows = [(MARKS[topic.state], topic.name, str(topic.partitions or ""), topic.purpose) for topic in topics]
    table(("state", "topic", "partitions", "for"), rows)
    if any(topic.state is TopicState.DIFFERS for topic in topics):
        echo("\nThe partitions of a topic that exists are never changed: its keys would move to others.")


def _to_json(topic: Topic, refused: Mapping[str, str]) -> dict[str, object]:
    return dict(to_json(topic)) | ({"refused": refused[topic.name]} if topic.name in refused else {})
