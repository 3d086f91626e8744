"""Checks of a database after a power cut, and after the life that follows it."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from saga_coordinator.handlers.records import OutboxMessage
from tests.resilience.power._support.neighbours import Image, Neighbours, image
from tests.unit.handlers._support.order_log import ANSWERS, OUTCOMES, type_of

_PLACES = " UNION ALL ".join(
    f'SELECT topic, partition, "offset" FROM {table} WHERE topic IS NOT NULL'  # noqa: S608  own names
    for table in ("history", "verdict", "held_event", "dead_letter", "parked")
)
_OVER = "SELECT CAST(correlation AS BLOB) FROM instance WHERE ended_at IS NOT NULL"


def check_left(path: Path, images: Sequence[Image], published: Sequence[OutboxMessage]) -> None:
    """See that a database is whole, and holds all that was acknowledged, and all that had left (I7, I24)."""
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert image(path) in images, "it stands neither as the last acknowledged transaction has left it nor as the next"
    if published:
        commands = {row.message_id for row in published if type_of(row) in ANSWERS}
        assert commands <= {id_ for sent in sent_by_instance(path).values() for id_ in sent}, "sent, and not decided"
        ended = {row.key for row in published if row.topic == OUTCOMES}
        assert ended <= {key for (key,) in rows(path, _OVER)}, (
            "an outcome was published, but the instance has not ended"
        )


def check_ended(path: Path, neighbours: Neighbours) -> None:
    """See that every order has ended and every record has one verdict, and that no order has two outcomes."""
    ended = dict(rows(path, "SELECT correlation, status FROM instance"))
    assert ended.keys() == set(neighbours.orders)
    assert set(ended.values()) <= {"completed", "compensated"}
    assert Counter(rows(path, _PLACES)) == Counter(tuple(each.place) for each in neighbours.records)
    assert rows(path, "SELECT * FROM outbox") == []
    contents = {row.message_id: row for row in neighbours.published}
    assert [row for row in neighbours.published if row != contents[row.message_id]] == [], "an id with two contents"
    outcomes = Counter((row.key or b"").decode() for row in contents.values() if row.topic == OUTCOMES)
    assert outcomes == dict.fromkeys(neighbours.orders, 1)
    check_commands(path, neighbours)


def check_commands(path: Path, neighbours: Neighbours) -> None:
    """See that every command has left, and in each topic after what its instance sent there before (I7, I12)."""
    first = {id_: place for place, id_ in enumerate(dict.fromkeys(row.message_id for row in neighbours.published))}
    topic = {row.message_id: row.topic for row in neighbours.published if type_of(row) in ANSWERS}
    decided = sent_by_instance(path).values()
    assert {id_ for sent in decided for id_ in sent} == topic.keys()
    for sent in decided:
        lanes = [[first[id_] for id_ in sent if topic[id_] == name] for name in {topic[id_] for id_ in sent}]
        assert lanes == [sorted(lane) for lane in lanes]


def sent_by_instance(path: Path) -> Mapping[int, Sequence[str]]:
    """Return the ids of the commands that each instance has sent, in the order in which they were decided."""
    sent: defaultdict[int, list[str]] = defaultdict(list)
    for instance, decided in rows(path, "SELECT instance, decided FROM history ORDER BY instance, seq"):
        sent[instance] += [id_ for *_, id_ in json.loads(decided).get("sent", ())]
    return sent


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return what stands in a database."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()
