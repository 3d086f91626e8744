"""`saga doctor` and `saga topics`: whether the service can run here, and the topics that it needs."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import typer
from rich.text import Text

from saga_coordinator.handlers.routing import Routes
from saga_coordinator.service.app.doctor import Finding, examine
from saga_coordinator.service.catalog import load_catalog
from saga_coordinator.service.cli.configuration import load_settings, unknown_variables
from saga_coordinator.service.cli.console import as_json, fail, plain, remark, say, table
from saga_coordinator.service.cli.start import silence_libraries
from saga_coordinator.service.kafka import admin as kafka_topics
from saga_coordinator.service.kafka.admin import State, Topic
from saga_coordinator.service.settings import KafkaSettings

MARKS: Final = {
    State.EXISTS: ("✔ exists", "green"),
    State.MISSING: ("✘ missing", "red"),
    State.DIFFERS: ("≠ differs", "yellow"),
}


def doctor(*, as_json_: bool) -> None:
    """Print what was found; end with 1 if anything is not as it should be."""
    silence_libraries()
    settings = load_settings()
    findings = [Finding("settings", problem, "rename or remove it") for problem in unknown_variables()]
    findings += asyncio.run(examine(settings))
    is_well = all(each.ok for each in findings)
    if as_json_:
        checks = [{"check": each.check, "ok": each.ok, "told": each.told, "remedy": each.remedy} for each in findings]
        as_json({"ok": is_well, "checks": checks})
    else:
        table(("", "check", "found", "remedy"), [_row(each) for each in findings])
    if not is_well:
        raise typer.Exit(1)


def topics_plan(partitions: int, *, as_json_: bool) -> None:
    """Print how the topics stand."""
    settings, routes = _needed()
    planned = asyncio.run(kafka_topics.plan(settings, routes, partitions))
    _print(planned, {}, as_json_=as_json_)
    missing = [topic.name for topic in planned if topic.state is State.MISSING]
    if missing:
        remark(f"{len(missing)} of {len(planned)} topics are missing: `saga topics apply` creates them.")


def topics_apply(partitions: int, replication: int | None, *, as_json_: bool) -> None:
    """Create what is missing, and print how the topics stand then; end with 1 if one could not be created."""
    settings, routes = _needed()
    planned, refused = asyncio.run(kafka_topics.apply(settings, routes, partitions, replication))
    _print(planned, refused, as_json_=as_json_)
    if refused:
        fail("; ".join(f"{name} was not created: {reason}" for name, reason in refused.items()))


def _needed() -> tuple[KafkaSettings, Routes]:
    """Return how to reach Kafka, and the catalog."""
    silence_libraries()
    settings = load_settings()
    return settings.kafka, Routes(load_catalog(settings.catalog))


def _print(topics: Sequence[Topic], refused: Mapping[str, str], *, as_json_: bool) -> None:
    if as_json_:
        as_json([_told(topic, refused) for topic in topics])
        return
    rows = [(_mark(topic.state), topic.name, str(topic.partitions or ""), topic.purpose) for topic in topics]
    table(("state", "topic", "partitions", "for"), rows)
    if any(topic.state is State.DIFFERS for topic in topics):
        say("\nPartitions of a topic that is there are never changed: its keys would move to others.")


def _told(topic: Topic, refused: Mapping[str, str]) -> dict[str, object]:
    told: dict[str, object] = {
        "name": topic.name,
        "purpose": topic.purpose,
        "state": topic.state,
        "partitions": topic.partitions,
        "wanted": topic.wanted,
    }
    return told | ({"refused": refused[topic.name]} if topic.name in refused else {})


def _row(finding: Finding) -> Sequence[str | Text]:
    mark = Text("✔", style="green") if finding.ok else Text("✘", style="bold red")
    return mark, finding.check, finding.told, Text(plain(finding.remedy or ""), style="yellow")


def _mark(state: State) -> Text:
    text, style = MARKS[state]
    return Text(text, style=style)
