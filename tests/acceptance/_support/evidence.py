"""What a run has left behind: every record on its topics, every row of its database, every offset of its groups."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar, cast
from uuid import uuid4

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from saga_coordinator.service.storage.queries import Queries
from saga_coordinator.service.storage.sqlite.queries import open_queries
from tests.acceptance._support.until import until
from tests.support.postgres.databases import Database

Partition = tuple[str, int]
Store = Path | Database
"""A database: a file, or one of PostgreSQL that has its schema."""

ANSWER_WITHIN_S = 10.0
NOT_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError._TRANSPORT,  # noqa: SLF001  librdkafka's own codes are public by this name
    KafkaError._WAIT_COORD,  # noqa: SLF001
}

T = TypeVar("T")


class Published(NamedTuple):
    """One record as it lies in Kafka; of equal headers the last. `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Mapping[str, str]
    timestamp: int

    @property
    def id(self) -> str:
        return self.headers["ce_id"]


class Sending(NamedTuple):
    """One command as the history of an instance says that it was decided."""

    order: str
    step: str
    direction: str
    command_id: str


def published(bootstrap_servers: str, topics: Iterable[str]) -> list[Published]:
    """Read topics from their beginning to their present end; the records of a partition are in order."""
    with closing(_consumer(bootstrap_servers, f"evidence-{uuid4()}")) as consumer:
        wanted = ends(consumer, topics)
        consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in wanted])
        left = {place for place, end in wanted.items() if end}
        found = []
        while left:
            message = consumer.poll(ANSWER_WITHIN_S)
            assert message is not None, f"no record came from {left} within {ANSWER_WITHIN_S} s"
            assert message.error() is None, message.error()
            place, offset = (message.topic() or "", message.partition() or 0), message.offset() or 0
            headers = {name: raw.decode() for name, raw in cast("list[tuple[str, bytes]]", message.headers() or [])}
            key, value, (_, at) = (message.key() or b"").decode(), message.value() or b"", message.timestamp()
            found.append(Published(*place, offset, key, value, headers, at))
            if offset + 1 == wanted[place]:
                left.discard(place)
        return found


def ends(consumer: Consumer, topics: Iterable[str]) -> dict[Partition, int]:
    """The end of every partition of these topics."""
    there = _once_it_answers(lambda: consumer.list_topics(timeout=ANSWER_WITHIN_S)).topics
    places = [(topic, partition) for topic in topics for partition in there[topic].partitions]
    return {place: _once_it_answers(partial(_watermarks, consumer, place))[1] for place in places}


def committed(bootstrap_servers: str, group: str, topics: Iterable[str]) -> dict[Partition, int]:
    """What a group has committed, for the partitions of which it has committed anything."""
    with closing(_consumer(bootstrap_servers, group)) as consumer:
        places = [TopicPartition(*place) for place in ends(consumer, topics)]
        answer = _once_it_answers(lambda: consumer.committed(places, timeout=ANSWER_WITHIN_S))
        return {(each.topic, each.partition): each.offset for each in answer if each.offset != OFFSET_INVALID}


def lag(bootstrap_servers: str, done: Mapping[Partition, int], topics: Iterable[str]) -> int:
    """How many records of these topics are not done yet."""
    with closing(_consumer(bootstrap_servers, f"evidence-{uuid4()}")) as consumer:
        return sum(end - done.get(place, 0) for place, end in ends(consumer, topics).items())


def rows(store: Store, sql: str, *parameters: str) -> list[tuple[object, ...]]:
    """Ask a database beside its coordinator; nothing, if there is none yet."""
    if isinstance(store, Database):
        return store.rows(sql, *parameters)
    if not store.exists():
        return []
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql, parameters).fetchall()


def count(store: Store, table: str) -> int:
    """How many rows a table has; 0 before there is one."""
    there = f"SELECT 1 FROM sqlite_master WHERE name = '{table}'"  # noqa: S608  the tests' own words
    if not isinstance(store, Database) and not rows(store, there):
        return 0
    [(number,)] = rows(store, f"SELECT count(*) FROM {table}")  # noqa: S608  the tests' own words
    return cast("int", number)


def queries(store: Store) -> AbstractContextManager[Queries]:
    """Open the read port on a database."""
    return store.queries() if isinstance(store, Database) else open_queries(store)


def next_offsets(store: Store) -> dict[Partition, int]:
    """The first offset of each partition that is not done."""
    found = cast("list[tuple[str, int, int | None]]", rows(store, "SELECT topic, partition, next_offset FROM lease"))
    return {(topic, partition): offset for topic, partition, offset in found if offset is not None}


def sendings(store: Store) -> Iterator[Sending]:
    """Every command that was decided, instance by instance, in order; one that was asked again comes again."""
    sql = "SELECT correlation, decided FROM history JOIN instance ON number = instance ORDER BY number, seq"
    for order, decided in cast("list[tuple[str, str]]", rows(store, sql)):
        for step, direction, _, command_id in json.loads(decided).get("sent", ()):
            yield Sending(order, step, direction, command_id)


def _watermarks(consumer: Consumer, place: Partition) -> tuple[int, int]:
    return consumer.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER_WITHIN_S, cached=False)


def _once_it_answers(ask: Callable[[], T]) -> T:
    """Ask again while a broker that has just come back is not ready for the question."""

    def asked() -> T | None:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in NOT_YET:
                raise
            return None

    return until(asked, "the broker answers")


def _consumer(bootstrap_servers: str, group: str) -> Consumer:
    options = {"bootstrap.servers": bootstrap_servers, "group.id": group, "enable.auto.commit": False, "log_level": 0}
    return Consumer(options)
