"""Whatever is killed under load, and however badly participants behave: nothing is lost and nothing is done twice."""

import os
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from sagas.machine import freeze
from service.demo.audit import audit
from service.demo.conversation import COMMAND_TOPICS, COMMANDS, CONFIRMED, ORDERS, OUTCOMES, REJECTED
from service.demo.journal import Journal
from service.demo.ledger import read_ledgers
from service.demo.participants import GROUP
from service.kafka.java import JavaKafka
from service.storage.reading import Filter, opened
from tests.acceptance import evidence
from tests.acceptance.evidence import Partition, Published
from tests.acceptance.hurried_catalog import catalog
from tests.acceptance.processes import HURRIED, Participants, Serve
from tests.acceptance.shop import Shop
from tests.acceptance.topics import make_topics_anew
from tests.acceptance.until import until
from tests.handlers.replay import replayed

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

ORDER_COUNT: Final = 200
KILLS: Final = 5
INPUTS: Final = (ORDERS, "saga.replies.v1")
OUTPUTS: Final = (*COMMAND_TOPICS, OUTCOMES)
NOISE: Final = KILLS * 9
"""Records that cannot be read: of each six on a topic three are not JSON, and what is a reply is no event."""

UNDER_LOAD: Final = range(50, 900)
"""History rows after which something may be killed: the whole run writes some 1,400."""

IMPATIENT: Final = {"SAGA_KAFKA__REQUEST_TIMEOUT": "2"}
"""So that what is sent while the broker is down counts as lost, and is sent again."""

BEHAVIOUR: Final = {
    "declines": {"reserve-stock": 0.03, "charge-card": 0.05, "review-fraud": 0.1, "ship-order": 0.1},
    "postpones": {"charge-card": 0.1, "notify-customer": 0.1, "release-stock": 0.1, "refund-card": 0.1},
    "lost_replies": {"*": 0.03},
    "duplicate_replies": {"*": 0.1},
    "late_replies": {"*": 0.02},
    "late_effects": {"*": 0.02},
    "late_by_s": 4.0,
    "think_time_s": 0.05,
}
MIX: Final = {"large": 0.1, "duplicates": 0.2, "cancels": 0.1, "early_cancels": 0.05, "cancel_within_s": 0.4}
SAME_IN_EVERY_COPY: Final = (
    "ce_type", "ce_source", "ce_subject", "ce_correlationid", "ce_replyto",
    "ce_sagastep", "ce_sagadirection", "ce_attempt", "ce_compensates",
)  # fmt: skip


@dataclass
class Witness:
    """Looks at the offsets again and again: Kafka's never pass the database's, and neither goes back (I22)."""

    bootstrap_servers: str
    serve: Serve
    seen: dict[Partition, int] = field(default_factory=dict)

    def look(self) -> None:
        hints = evidence.committed(self.bootstrap_servers, self.serve.group, INPUTS)
        done = evidence.next_offsets(self.serve.store)
        assert {place: offset for place, offset in hints.items() if offset > done.get(place, 0)} == {}
        assert {place: offset for place, offset in self.seen.items() if offset > done.get(place, 0)} == {}
        self.seen = done


@dataclass
class Left:
    """What the whole run has left."""

    placed: Journal
    folder: Path
    store: Path
    said: list[Published]
    heard: list[Published]


def test_nothing_is_lost_and_nothing_is_done_twice_whatever_is_killed(own_kafka: JavaKafka, tmp_path: Path) -> None:
    seed = int(os.environ.get("SAGA_TEST_SEED") or secrets.randbelow(1 << 32))
    print(f"SAGA_TEST_SEED={seed} repeats this run")  # noqa: T201  pytest shows it when the test fails
    left = run(own_kafka, tmp_path, Random(seed))
    for check in CHECKS:
        check(left)


def run(kafka: JavaKafka, folder: Path, chance: Random) -> Left:
    """Place all orders, kill what is to be killed meanwhile, wait until nothing moves any more, and stop."""
    address = kafka.bootstrap_servers
    make_topics_anew(kafka)
    with (
        Serve(folder, address, SAGA_CATALOG=HURRIED, **IMPATIENT) as serve,
        Participants(folder, address, BEHAVIOUR | {"seed": chance.randrange(1 << 32)}) as participants,
        Shop(folder, address, mix=MIX, orders=ORDER_COUNT, window=40, settle=3, seed=chance.randrange(1 << 32)) as shop,
    ):
        for each in (serve, participants, shop):
            each.start()
        kill_under_load(kafka, serve, shop, chance)
        assert shop.ended(within=90) == 0, shop.log
        wait_until_nothing_moves(address, serve)
        assert serve.stop() == 0
        assert participants.stop() == 0
        Witness(address, serve).look()
        said, heard = evidence.published(address, OUTPUTS), evidence.published(address, INPUTS)
    return Left(shop.journal, folder, serve.store, said, heard)


def kill_under_load(kafka: JavaKafka, serve: Serve, shop: Shop, chance: Random) -> None:
    """Kill the service five times and the broker once, each after so much work that chance decides."""
    witness = Witness(kafka.bootstrap_servers, serve)
    victims = ["service"] * (KILLS - 1)
    victims.insert(chance.randrange(KILLS), "broker")
    for victim, moment in zip(victims, sorted(chance.sample(UNDER_LOAD, len(victims))), strict=True):
        until(partial(has_done, serve, moment), f"{moment} history rows", 60)
        assert shop.exit_code is None, f"all orders were over before the {victim} was killed"
        make_noise(kafka.bootstrap_servers)
        if victim == "broker":
            kill_both(kafka, serve)
        else:
            kill(serve)
        witness.look()


def kill(serve: Serve) -> None:
    serve.kill()
    serve.start(ready=False)


def kill_both(kafka: JavaKafka, serve: Serve) -> None:
    """Kill the broker; once messages were tried in vain the service, too; and bring the service back first."""
    kafka.kill()
    until(lambda: serve.log.count("were not acknowledged") > 1, "the service has tried twice to send something")
    kill(serve)
    kafka.restart()


def make_noise(address: str) -> None:
    """Send what cannot be read, and replies to commands that nobody sent."""
    producer = Producer({"bootstrap.servers": address, "log_level": 0})
    stray = {"ce_specversion": "1.0", "ce_source": "/noise", "ce_type": "saga.done.v1"}
    stray |= {"ce_correlationid": str(uuid4()), "ce_causationid": str(uuid4())}
    for topic in INPUTS:
        for number in range(3):
            producer.produce(topic, b"noise", f"noise-{number}")
            producer.produce(topic, b"{}", f"noise-{number}", headers={**stray, "ce_id": str(uuid4())})
    assert producer.flush(30) == 0


def has_done(serve: Serve, moment: int) -> bool:
    return evidence.count(serve.store, "history") >= moment


def wait_until_nothing_moves(address: str, serve: Serve) -> None:
    """Wait until participants and service have done all that is there for them."""

    def nothing_moves() -> bool:
        carried_out = evidence.committed(address, GROUP, COMMAND_TOPICS)
        if evidence.lag(address, carried_out, COMMAND_TOPICS):
            return False
        return not evidence.lag(address, evidence.next_offsets(serve.store), INPUTS)

    until(nothing_moves, "participants and service have done all that is there for them", 60)


# --- what must hold then


def every_order_has_one_outcome_and_every_ledger_nets_to_zero_or_one_i1_i8_i15(left: Left) -> None:
    found = audit(read_ledgers(left.folder / "ledgers"), left.placed.outcomes, left.placed.placed)
    assert found.violations == ()
    assert found.orders == found.completed + found.compensated == ORDER_COUNT
    assert found.compensated, "nobody declined anything"
    assert found.repeats, "nothing ever came twice"


def every_instance_ended_as_its_outcome_says_i1_i5(left: Left) -> None:
    types = {"completed": CONFIRMED, "compensated": REJECTED}
    outcomes = {(each.key, each.headers["ce_type"]) for each in left.said if each.topic == OUTCOMES}
    found = evidence.rows(left.store, "SELECT correlation, status FROM instance")
    assert sorted((order, types.get(str(status), status)) for order, status in found) == sorted(outcomes)
    assert len(found) == ORDER_COUNT


def no_id_has_two_contents_i6(left: Left) -> None:
    contents = defaultdict(set)
    for each in left.said:
        kept = tuple(each.headers.get(name) for name in SAME_IN_EVERY_COPY)
        contents[each.id].add((each.topic, each.partition, each.key, each.value, kept))
    assert {id_: told for id_, told in contents.items() if len(told) > 1} == {}


def everything_decided_was_published_and_nothing_else_i7(left: Left) -> None:
    decided = {each.command_id for each in evidence.sendings(left.store)}
    assert {each.id for each in left.said if each.topic != OUTCOMES} == decided
    assert evidence.count(left.store, "outbox") == 0


def first_copies_of_an_instance_s_commands_lie_in_the_order_of_its_history_i12(left: Left) -> None:
    topic_of = {(kind.name, kind.direction): f"{kind.participant}.commands.v1" for kind in COMMANDS.values()}
    steps = {kind.type: kind.name for kind in COMMANDS.values()}
    undone = {(steps[kind.undoes], "compensation"): f"{kind.participant}.commands.v1"
              for kind in COMMANDS.values() if kind.undoes}  # fmt: skip
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
    assert verdicts == Counter((each.topic, each.partition, each.offset) for each in left.heard)
    kinds = evidence.rows(left.store, "SELECT verdict FROM history UNION SELECT verdict FROM verdict")
    assert {kind for (kind,) in kinds} >= {"applied", "duplicate", "ignored", "unmatched"}
    assert evidence.count(left.store, "dead_letter") == NOISE


def every_history_replays_to_its_instance_i3(left: Left) -> None:
    [definition] = catalog
    with opened(left.store) as reading:
        instances = reading.instances(Filter(), 2 * ORDER_COUNT)
        assert len(instances) == ORDER_COUNT
        for row in instances:
            assert freeze(replayed(definition, reading.history(row, 1_000))) == row.snapshot


CHECKS: Final[tuple[Callable[[Left], None], ...]] = (
    every_order_has_one_outcome_and_every_ledger_nets_to_zero_or_one_i1_i8_i15,
    every_instance_ended_as_its_outcome_says_i1_i5,
    no_id_has_two_contents_i6,
    everything_decided_was_published_and_nothing_else_i7,
    first_copies_of_an_instance_s_commands_lie_in_the_order_of_its_history_i12,
    every_record_has_exactly_one_verdict_i11,
    every_history_replays_to_its_instance_i3,
)
