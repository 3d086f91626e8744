"""Traces as a collector gets them: one connected tree for each order, with the ids that the records' headers have."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, cast
from uuid import NAMESPACE_URL, uuid5

import psutil
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from saga_coordinator.service.demo.conversation import COMMAND_TOPICS, ORDERS, OUTCOMES
from tests.acceptance._support import evidence
from tests.acceptance._support.evidence import Published
from tests.acceptance._support.processes import SHORT_TIMEOUTS, Participants, Serve
from tests.acceptance._support.shop import Shop
from tests.acceptance._support.topics import recreate_topics
from tests.support.kafka.java import JavaKafka
from tests.unit.telemetry._support.collector import collecting

pytestmark = pytest.mark.kafka

T = TypeVar("T")

INSTANCE: Final = "saga.instance.id"
SUMMARY: Final = "saga order-fulfilment"
BEHAVIOUR: Final = {
    "seed": 5,
    "declines": {"ship-order": 0.2},
    "postpones": {"charge-card": 0.3},
    "lost_replies": {"notify-customer": 0.1},
    "duplicate_replies": {"*": 0.1},
    "drops_trace": ["shipping"],
}
MIX: Final = {"large": 0.2, "duplicates": 0.2, "cancels": 0.1, "cancel_within_s": 0.05}
PLACED: Final = {"sampled": 30, "unsampled": 6, "none": 6}


class SpanRecord(NamedTuple):
    """One span, as it was received; ids in hex, times in nanoseconds, `parent` empty for a root."""

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    links: frozenset[tuple[str, str]]
    attributes: dict[str, str | int]


@dataclass(frozen=True)
class Run:
    """Everything that was recorded of some orders: spans by order, records, the database."""

    placed: dict[str, list[str]]
    spans: dict[str, list[SpanRecord]]
    records: dict[str, list[Published]]
    sources: dict[str, list[tuple[str, str]]]
    store: Path

    @property
    def traced(self) -> list[str]:
        return [*self.placed["sampled"], *self.placed["none"]]


@pytest.fixture(scope="module")
def run(orders_kafka: JavaKafka, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run orders with a sampled trace context, with an unsampled one and with none."""
    folder, address = tmp_path_factory.mktemp("traces"), orders_kafka.bootstrap_servers
    with (
        collecting() as collector,
        Serve(folder, address, SAGA_CATALOG=SHORT_TIMEOUTS, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as serve,
        Participants(folder, address, BEHAVIOUR) as participants,
    ):
        serve.start()
        participants.start()
        placed = place(folder, address, PLACED)
        assert serve.stop() == participants.stop() == 0
        spans = [received(span) for span in collector.spans]
    records = evidence.published(address, (ORDERS, *COMMAND_TOPICS, OUTCOMES))
    key_of = {instance_id(order): order for some in placed.values() for order in some}
    named = [(key_of.get(str(span.attributes.get(INSTANCE))), span) for span in spans]
    return Run(
        placed,
        grouped((order, span) for order, span in named if order is not None),
        grouped((each.key, each) for each in records if each.topic != ORDERS),
        grouped(
            (each.key, context(each)) for each in records if each.topic == ORDERS and "traceparent" in each.headers
        ),
        serve.store,
    )


def place(folder: Path, address: str, numbers: Mapping[str, int]) -> dict[str, list[str]]:
    """Place so many orders with each sort of context, wait for their outcomes, and return their ids."""
    with ExitStack() as ending:
        shops = {
            traced: ending.enter_context(
                Shop(folder, address, mix=MIX | {"traced": traced}, name=traced, orders=orders, seed=len(traced))
            )
            for traced, orders in numbers.items()
        }
        for shop in shops.values():
            shop.start()
        for shop in shops.values():
            shop.ends(within=60)
        return {traced: list(shop.journal.placed) for traced, shop in shops.items()}


def test_every_trace_of_an_order_is_one_tree(run: Run) -> None:
    for order in run.traced:
        for trace, spans in grouped((span.trace, span) for span in run.spans[order]).items():
            known = {span.id for span in spans}
            assert len(known) == len(spans), f"{order}: an id came twice"
            outside = {span.parent for span in spans if span.parent not in known}
            assert len(outside) == 1, f"{order}: the tree of trace {trace} hangs on {outside}"
            assert outside <= {"", *(id_ for of, id_ in run.sources.get(order, []) if of == trace)}


def test_the_first_trace_is_that_of_the_order_event_and_all_others_are_linked_to_it(run: Run) -> None:
    several = 0
    for order in run.traced:
        spans = run.spans[order]
        first = min(spans, key=lambda span: (span.name == SUMMARY, span.start))
        came_with = {trace for trace, _ in run.sources.get(order, [])}
        assert first.trace in (came_with or {instance_id(order).replace("-", "")})
        reached = {(span.trace, span.id) for span in spans if span.trace == first.trace}
        for root in sorted((span for span in spans if span.trace != first.trace and not span.parent), key=start):
            assert root.links & reached, f"{order}: trace {root.trace} is linked to nothing that came before it"
            reached |= {(span.trace, span.id) for span in spans if span.trace == root.trace}
            several += 1
        assert {(span.trace, span.id) for span in spans} == reached
    assert several, "no order was asked again: nothing shows that a retry begins a linked trace"


def test_the_send_spans_are_the_contexts_in_the_headers_of_the_records(run: Run) -> None:
    for order in run.traced:
        sent = {(*context(each), each.id, f"send {each.topic}") for each in run.records[order]}
        spans = {(span.trace, span.id, span.attributes["messaging.message.id"], span.name)
                 for span in run.spans[order] if span.name.startswith("send ")}  # fmt: skip
        assert spans == sent


def test_a_reply_hangs_on_the_span_that_sent_its_command_whether_or_not_it_echoes_it(run: Run) -> None:
    sql = (
        "SELECT span_id, causation_id FROM history JOIN instance ON number = instance"
        " WHERE correlation = ? AND kind = 'answer' AND history.verdict = 'applied'"
    )
    for order in run.traced:
        spans = {span.id: span for span in run.spans[order]}
        sent = grouped((each.id, context(each)) for each in run.records[order])
        for span_id, command in cast("list[tuple[str, str]]", evidence.rows(run.store, sql, order)):
            span = spans[span_id]
            assert (span.trace, span.parent) in sent[command]


def test_every_entry_of_the_history_has_its_span(run: Run) -> None:
    for order in run.traced:
        sql = "SELECT trace_id, span_id FROM history JOIN instance ON number = instance WHERE correlation = ?"
        spans = {(span.trace, span.id) for span in run.spans[order] if span.name.split()[0] in {"process", "wake"}}
        assert spans == set(evidence.rows(run.store, sql, order))


def test_no_span_is_open_while_something_is_awaited(run: Run) -> None:
    for order in run.traced:
        sent_at = {context(each): each.timestamp for each in run.records[order]}
        for span in run.spans[order]:
            if at := sent_at.get((span.trace, span.id)):
                assert span.end / 1e6 < at + 1, f"{span} was open when its message had left"


def test_one_summary_span_has_the_real_start_and_end(run: Run) -> None:
    for order in run.traced:
        [summary] = [span for span in run.spans[order] if span.name == SUMMARY]
        sql = "SELECT started_at, ended_at, status FROM instance WHERE correlation = ?"
        [(started_at, ended_at, status)] = cast("list[tuple[int, int, str]]", evidence.rows(run.store, sql, order))
        assert (summary.start, summary.end) == (started_at * 1000, ended_at * 1000)
        assert summary.attributes["saga.status"] == status
        assert summary.attributes["saga.correlation.key"] == order


def test_every_span_says_of_which_saga_and_step_it_is(run: Run) -> None:
    for order in run.traced:
        sent = {each.id: each for each in run.records[order]}
        for span in run.spans[order]:
            assert (span.attributes["saga.name"], span.attributes["saga.version"]) == ("order-fulfilment", 1)
            command = sent.get(str(span.attributes.get("messaging.message.id")))
            if span.name.startswith("send ") and command and command.topic != OUTCOMES:
                assert span.attributes["saga.step"] == command.headers["ce_sagastep"]
                assert span.attributes["saga.direction"] == command.headers["ce_sagadirection"]
                assert str(span.attributes["saga.attempt"]) == command.headers["ce_attempt"]


def test_an_order_that_is_not_sampled_exports_nothing_and_says_so_to_participants(run: Run) -> None:
    for order in run.placed["unsampled"]:
        assert order not in run.spans
        assert {each.headers["traceparent"][-2:] for each in run.records[order]} == {"00"}


def test_without_an_endpoint_nothing_is_sent_and_no_error_is_logged(orders_kafka: JavaKafka, tmp_path: Path) -> None:
    address = orders_kafka.bootstrap_servers
    recreate_topics(orders_kafka)
    with (
        Serve(tmp_path, address, SAGA_CATALOG=SHORT_TIMEOUTS) as serve,
        Participants(tmp_path, address, {}) as participants,
    ):
        serve.start()
        participants.start()
        place(tmp_path, address, {"sampled": 10})
        [pid] = [line["pid"] for line in serve.objects() if line["event"] == "serving"]
        assert called(pid, serve.address) == {int(address.rpartition(":")[2])}
        assert serve.stop() == participants.stop() == 0
    own = [line for line in serve.objects() if not line.get("logger", "").startswith("aiokafka")]
    assert [line for line in own if line["level"] not in {"debug", "info"}] == []


def called(pid: int, own_address: str) -> set[int]:
    """Return the ports to which a process has connected, without incoming connections such as health checks."""
    own = int(own_address.rpartition(":")[2])
    connections = psutil.Process(pid).net_connections(kind="tcp")
    return {
        each.raddr.port for each in connections if each.status == psutil.CONN_ESTABLISHED and each.laddr.port != own
    }


def instance_id(order: str) -> str:
    """The id that the published page derives for the instance of an order."""
    return str(uuid5(NAMESPACE_URL, f"saga:order-fulfilment/{order}"))


def context(record: Published) -> tuple[str, str]:
    """The ids in a record's header."""
    _, trace, span, _ = record.headers["traceparent"].split("-")
    return trace, span


def start(span: SpanRecord) -> int:
    return span.start


def grouped(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    """What comes with a name, by name."""
    found: dict[str, list[T]] = defaultdict(list)
    for name, each in pairs:
        found[name].append(each)
    return dict(found)


def received(span: Span) -> SpanRecord:
    """A span as it came over the wire."""
    return SpanRecord(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        {each.key: each.value.string_value or each.value.int_value for each in span.attributes},
    )
