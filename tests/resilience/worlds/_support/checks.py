"""Checks at the end of a simulated world. Each check reads logs, ledgers and the database from outside."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from saga_coordinator.contracts import envelope as wire
from saga_coordinator.handlers.records import Verdict
from saga_coordinator.handlers.replay import replay
from saga_coordinator.sagas.machine import freeze
from tests.resilience.worlds._support import trip_checks
from tests.resilience.worlds._support.broker import EPOCH_MS, Polled
from tests.resilience.worlds._support.people import COMMAND_TOPICS
from tests.resilience.worlds._support.trip_checks import of
from tests.resilience.worlds._support.world import World
from tests.unit.handlers._support.order_log import OUTCOMES, REPLIES

CONFIRMED: Final = "orders.order-confirmed.v1"
SAME_IN_EVERY_COPY: Final = (
    "ce_type", "ce_source", "ce_subject", "ce_correlationid", "ce_replyto",
    "ce_sagastep", "ce_sagadirection", "ce_attempt", "ce_compensates",
)  # fmt: skip


def every_order_ends_once_i1_i5(world: World) -> None:
    outcomes = defaultdict(set)
    for record in said(world, OUTCOMES):
        outcomes[key_of(record)].add((dict(record.headers)["ce_id"], record.value))
    assert {order: len(found) for order, found in outcomes.items()} == dict.fromkeys(world.shop.orders, 1)
    assert sorted(row.key for _, row in of(world, "order-fulfilment")) == sorted(world.shop.orders)


def effects_stand_once_or_not_at_all_i8_i15(world: World) -> None:
    for record in said(world, OUTCOMES):
        net = world.participants.net(key_of(record))
        is_confirmed = dict(record.headers)["ce_type"] == CONFIRMED.encode()
        steps = {"reserve-stock", "charge-card", "ship-order", "notify-customer"} if is_confirmed else set()
        without_review = Counter({step: count for step, count in net.items() if step != "review-fraud"})
        assert without_review == Counter(steps), f"{key_of(record)}: {net}"
    assert max(world.participants.times.values(), default=1) == 1


def an_id_has_one_content_i6(world: World) -> None:
    contents = defaultdict(set)
    for record in ours(world):
        headers = {name: raw for name, raw in record.headers if name in SAME_IN_EVERY_COPY}
        contents[dict(record.headers)["ce_id"]].add(
            (record.topic, record.partition, record.key, record.value, tuple(sorted(headers.items())))
        )
    assert [id_ for id_, found in contents.items() if len(found) > 1] == []


def what_was_decided_was_published_and_nothing_else_i7(world: World) -> None:
    decided = {row.message_id for row in world.database.all_rows.values() if not row.topic.endswith("-dlt")}
    assert {wire.read(record.headers, record.value)[0].id for record in ours(world)} == decided


def every_dead_letter_lies_on_its_topic_i28(world: World) -> None:
    written = sorted((letter.record.place.topic, letter.record.value) for letter in world.database.dead_letters)
    topics = [f"{topic}-dlt" for topic in world.routes.topics_in]
    lying = {(record.headers[-7:-4], record.topic, record.value) for record in said(world, *topics)}
    assert sorted((topic.removesuffix("-dlt"), value) for _, topic, value in lying) == written


def first_copies_lie_in_the_order_of_the_outbox_i12(world: World) -> None:
    lying: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for record in said(world, *COMMAND_TOPICS):
        envelope, _ = wire.read(record.headers, record.value)
        lying[record.topic, envelope.correlation_id].append(envelope.id)
    decided: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for _, row in sorted(world.database.all_rows.items()):
        if row.topic in COMMAND_TOPICS:
            decided[row.topic, wire.read(row.headers, row.value)[0].correlation_id].append(row.message_id)
    for place, ids in firsts(decided).items():
        assert firsts(lying)[place] == ids, f"{place}: {firsts(lying)[place]} instead of {ids}"


def every_record_has_one_verdict_i11(world: World) -> None:
    database = world.database
    verdicts = Counter(entry.place for entries in database.history.values() for entry in entries if entry.place)
    verdicts += Counter(letter.record.place for letter in database.dead_letters)
    verdicts += Counter(held.record.place for held in database.held)
    verdicts += Counter(ruling.place for ruling in database.verdicts)
    heard = Counter((record.topic, record.partition, record.offset) for record in said(world, *world.routes.topics_in))
    given = Counter((place.topic, place.partition, place.offset) for place in verdicts.elements())
    assert given == heard, f"missing {heard - given}, too many {given - heard}"


def the_history_replays_to_the_state_i3(world: World) -> None:
    for id_, row in world.database.instances.items():
        entries = world.database.history[id_]
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert freeze(replay(world.routes.saga_of(row.saga, row.version), entries)) == row.snapshot


def a_reply_changes_state_once_i10(world: World) -> None:
    for entries in world.database.history.values():
        answers = Counter(
            entry.causation_id for entry in entries if (entry.kind, entry.verdict) == ("answer", Verdict.APPLIED)
        )
        late = [answer for answer, times in answers.items() if times > 2]
        assert late == []


def kafka_offsets_are_never_ahead_of_the_database_i22(world: World) -> None:
    assert world.offsets_ahead == []


def no_timer_fires_before_the_backlog_is_processed(world: World) -> None:
    """A reply in the log at the start of a life is processed before its timers fire; with one coordinator."""
    timers = world.coordinators[0].watch.timers if len(world.coordinators) == 1 else ()
    for id_, seq, began in timers:
        for entry in world.database.history[id_][seq:]:
            if entry.kind == "answer" and entry.place is not None:
                topic, partition, offset = entry.place
                came = (world.broker.log(topic, partition)[offset].timestamp - EPOCH_MS) / 1000
                assert came >= began - 0.001, f"{id_}: its timer fired, but {entry.place} was there before the start"


def epochs_follow_each_other_i25(world: World) -> None:
    for place in {(topic, partition) for topic, partition, _ in world.database.epochs}:
        epochs = [epoch for topic, partition, epoch in world.database.epochs if (topic, partition) == place]
        assert epochs == sorted(epochs)


CHECKS: Final[tuple[Callable[[World], None], ...]] = (
    every_order_ends_once_i1_i5,
    effects_stand_once_or_not_at_all_i8_i15,
    an_id_has_one_content_i6,
    what_was_decided_was_published_and_nothing_else_i7,
    every_dead_letter_lies_on_its_topic_i28,
    first_copies_lie_in_the_order_of_the_outbox_i12,
    every_record_has_one_verdict_i11,
    the_history_replays_to_the_state_i3,
    a_reply_changes_state_once_i10,
    kafka_offsets_are_never_ahead_of_the_database_i22,
    no_timer_fires_before_the_backlog_is_processed,
    epochs_follow_each_other_i25,
    *trip_checks.CHECKS,
)


def said(world: World, *topics: str) -> list[Polled]:
    """Every record of these topics, partition by partition, in order."""
    return [record for (topic, _), log in sorted(world.broker.logs.items()) if topic in topics for record in log]


def ours(world: World) -> list[Polled]:
    """Every record that a coordinator wrote, but for dead letters."""
    topics = [topic for topic in sorted(world.routes.topics_out | {REPLIES}) if not topic.endswith("-dlt")]
    mine = b"/saga-coordinator/"
    return [each for each in said(world, *topics) if (dict(each.headers).get("ce_source") or b"").startswith(mine)]


def key_of(record: Polled) -> str:
    return (record.key or b"").decode()


def firsts(lists: dict[tuple[object, ...], list[str]]) -> dict[tuple[object, ...], list[str]]:
    """Each id where it stands first."""
    return {place: list(dict.fromkeys(ids)) for place, ids in lists.items()}


def failed(checks: Iterable[Callable[[World], None]], world: World) -> list[str]:
    """The checks that do not hold, with what they say."""
    found = []
    for check in checks:
        try:
            check(world)
        except AssertionError as error:
            found.append(f"{check.__name__}: {str(error)[:400]}")
    return found


__all__ = ["CHECKS", "REPLIES", "failed"]
