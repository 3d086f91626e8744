"""`saga positions`: from where topics are read."""

from typing import Annotated, Any

import typer

from saga_coordinator.service.app import database
from saga_coordinator.service.cli.client import call
from saga_coordinator.service.cli.console import echo, print_json, table
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.cli.options import Json, Reason, Who, actor, group

positions = group("From where topics are read.")


@positions.command("ls")
def ls(*, json: Json = False) -> None:
    """List the partitions that the database knows, and the first offset of each that is not processed.

    JSON: [{"topic", "partition", "next_offset", "topic_id"}], where next_offset is null as long as nothing says from
    where the partition is read.
    """
    with database.open_queries(load_settings()) as queries:
        known = queries.partitions()
    if json:
        fields = ("topic", "partition", "next_offset", "topic_id")
        print_json([{name: getattr(each, name) for name in fields} for each in known])
        return
    rows = [(each.topic, str(each.partition), _next(each.next_offset), each.topic_id or "") for each in known]
    table(("topic", "partition", "next offset", "topic id"), rows)


@positions.command("set")
def set_position(
    where: Annotated[str, typer.Argument(metavar="TOPIC[/PARTITION]", help="A topic, or one of its partitions")],
    position: Annotated[
        str, typer.Argument(metavar="beginning|end|committed|TIME|OFFSET", help="committed: where the group is")
    ],
    *,
    reason: Reason,
    who: Who = None,
    json: Json = False,
) -> None:
    """Say from where a topic is read, whatever was read before.

    The coordinator must run; it continues from there at once. A time is in ISO 8601 with its zone, and means the first
    record that is not older.

    JSON: [{"topic", "partition", "next_offset"}]
    """
    topic, partition = _parsed(where)
    body = {**actor(who, reason), "partition": partition, "position": position}
    done: list[dict[str, Any]] = call(f"positions/{topic}", body)["positions"]
    if json:
        print_json(done)
        return
    for each in done:
        echo(f"{each['topic']}/{each['partition']} is read from offset {each['next_offset']} on")


def _parsed(where: str) -> tuple[str, int | None]:
    topic, slash, partition = where.partition("/")
    if not topic or (slash and not partition.isdecimal()):
        raise typer.BadParameter(f"{where} is not TOPIC or TOPIC/PARTITION", param_hint="TOPIC[/PARTITION]")
    return topic, int(partition) if slash else None


def _next(offset: int | None) -> str:
    return "not known: say from where" if offset is None else str(offset)
