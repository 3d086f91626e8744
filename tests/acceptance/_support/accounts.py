"""Checks after a run under load. Every check reads only Kafka, the database and the ledgers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from saga_coordinator.handlers.replay import replay
from saga_coordinator.sagas.machine import freeze
from saga_coordinator.service.demo.audit import audit
from saga_coordinator.service.demo.conversation import COMMAND_TOPICS, COMMANDS, CONFIRMED, ORDERS, OUTCOMES, REJECTED
from saga_coordinator.service.demo.journal import Journal
from saga_coordinator.service.demo.ledger import read_ledgers
from saga_coordinator.service.storage.queries import InstanceFilter
from tests.acceptance._support import evidence
from tests.acceptance._support.evidence import Published, Store
from tests.acceptance._support.short_timeouts_catalog import catalog

INPUTS: Final = (ORDERS, "saga.replies.v1")
OUTPUTS: Final = (*COMMAND_TOPICS, OUTCOMES)
SAME_IN_EVERY_COPY: Final = (
    "ce_type", "ce_source", "ce_subject", "ce_correlationid", "ce_replyto",
    "ce_sagastep", "ce_sagadirection", "ce_attempt", "ce_compensates",
)  # fmt: skip


@dataclass
class Left:
    """What a whole run has left. `noise` is how many records were sent that cannot be read."""

    noise: int
    placed: Journal
    folder: Path
    store: Store
    said: list[Published]
    heard: list[Published]

    @property
    def orders(self) -> int:
        return len(self.placed.placed)


def every_order_has_one_outcome_and_every_ledger_nets_to_zero_or_one_i1_i8_i15(left: Left) -> None:
    found = audit(read_ledgers(left.folder / "ledgers"), left.placed.outcomes, left.placed.placed)
    assert found.violations == ()
    assert found.orders == found.completed + found.compensated == left.orders
    assert found.compensated, "nobody declined anything"
    assert found.repeats, "nothing ever came twice"


def every_instance_ended_as_its_outcome_says_i1_i5(left: Left) -> None:
    types = {"completed": CONFIRMED, "compensated": REJECTED}
    outcomes = {(each.key, each.headers["ce_type"]) for each in left.said if each.topic == OUTCOMES}
    found = evidence.rows(left.store, "SELECT correlation, status FROM instance")
    assert sorted((order, types.get(str(status), status)) for order, status in found) == sorted(outcomes)
    assert len(found) == left.orders


def no_id_has_two_contents_i6(left: Left) -> None:
    contents = defaultdict(set)
    for each in left.said:
        kept = tuple(each.headers.get(name) for name in SAME_IN_EVERY_COPY)
        contents[each.id].add((each.topic, each.partition, each.key, each.value, kept))
    assert {id_: found for id_, found in contents.items() if len(found) > 1} == {}


def everything_decided_was_published_and_nothing_else_i7(left: Left) -> None:
    decided = {each.command_id for each in evidence.sendings(left.store)}
    assert {each.id for each in left.said if each.topic != OUTCOMES} == decided
    assert evidence.count(left.store, "outbox") == 0


def first_copies_of_an_instance_s_commands_lie_in_the_order_of_its_history_i12(left: Left) -> None:
    topic_of = {(kind.name, kind.direction): f"{kind.participant}.commands.v1" for kind in COMMANDS.values()}
    steps = {kind.type: kind.name for kind in COMMANDS.values()}
    undone = {(steps[kind.compensates], "compensation"): f"{kind.participant}.commands.v1"
              for kind in COMMANDS.values() if kind.compensates}  # fmt: skip
    decided = firsts(
        ((each.order, (topic_of | undone)[each.step, each.direction]), each.command_id)
        for each in evidence.sendings(left.store)
    )
    lying = firsts(((each.key, each.topic), each.id) for each in left.said if each.topic != OUTCOMES)
    assert lying == decided


def firsts(pairs: Iterable[tuple[tuple[str, str], str]]) -> dict[tuple[str, str], list[str]]:
    """The ids by order and topic, each where it stands first."""
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for place, id_ in pairs:
        found[place].setdefault(id_)
    return {place: list(ids) for place, ids in found.items()}


def every_record_has_exactly_one_verdict_i11(left: Left) -> None:
    tables = ("history", "verdict", "dead_letter", "held_event")
    places = [f'SELECT topic, partition, "offset" FROM {table} WHERE topic IS NOT NULL' for table in tables]  # noqa: S608
    verdicts = Counter(evidence.rows(left.store, " UNION ALL ".join(places)))
    wanted = [each for each in left.heard if not is_unwanted(each)]
    assert verdicts == Counter((each.topic, each.partition, each.offset) for each in wanted)
    kinds = evidence.rows(left.store, "SELECT verdict FROM history UNION SELECT verdict FROM verdict")
    assert {kind for (kind,) in kinds} >= {"applied", "duplicate", "ignored", "unmatched"}
    assert evidence.count(left.store, "dead_letter") == left.noise


def is_unwanted(record: Published) -> bool:
    """Return whether a record is ignored, so that nothing is stored of it: a reply on the topic of events."""
    return record.topic == ORDERS and record.headers.get("ce_type") == "saga.done.v1"


def every_history_replays_to_its_instance_i3(left: Left) -> None:
    [definition] = catalog
    with evidence.queries(left.store) as reading:
        instances = reading.instances(InstanceFilter(), 2 * left.orders)
        assert len(instances) == left.orders
        for row in instances:
            assert freeze(replay(definition, reading.history(row, 1_000))) == row.snapshot


CHECKS: Final[tuple[Callable[[Left], None], ...]] = (
    every_order_has_one_outcome_and_every_ledger_nets_to_zero_or_one_i1_i8_i15,
    every_instance_ended_as_its_outcome_says_i1_i5,
    no_id_has_two_contents_i6,
    everything_decided_was_published_and_nothing_else_i7,
    first_copies_of_an_instance_s_commands_lie_in_the_order_of_its_history_i12,
    every_record_has_exactly_one_verdict_i11,
    every_history_replays_to_its_instance_i3,
)
