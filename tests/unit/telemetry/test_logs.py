"""The log: JSON with trace and instance ids, with limited repetition, and at no cost for suppressed levels."""

import asyncio
import io
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from saga_coordinator.contracts import Envelope, Failure, Reply
from saga_coordinator.handlers.records import Changes, Committed, Place, Record, RecordVerdict, Verdict
from saga_coordinator.service.telemetry import logs
from saga_coordinator.service.telemetry.logs import Format, LogLines, RateLimit, fingerprint
from saga_coordinator.service.telemetry.measures import Measures
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.faulty import NO_FAULT, Fault, Two, wide
from tests.unit.handlers._support.order_log import Log
from tests.unit.telemetry._support.story import Story, declining, order_placed

Said = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level, root.handlers.copy()
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def said(stream: io.StringIO) -> Said:
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def stalling(command: Envelope) -> Reply | None:
    if command.direction == "compensation":
        return Failure(code="lost", message="no such reservation", retryable=False)
    return declining("ship-order")(command)


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), False),
        (RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"), False),
        (RuntimeError("a defect of ours"), True),
    ],
)
async def test_a_handshake_that_was_given_up_leaves_no_traceback_and_a_defect_does(
    stream: io.StringIO, said: Said, *, error: Exception, is_logged: bool
) -> None:
    logs.configure(stream=stream)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.on_loop_error)

    loop.call_exception_handler({"message": "Fatal error on SSL protocol", "exception": error, "transport": None})

    assert [line["level"] for line in said()] == (["error"] if is_logged else [])


def test_a_line_is_one_json_object_with_its_facts(stream: io.StringIO, said: Said) -> None:
    logs.configure(stream=stream)

    logs.logger().info("partitions taken", topic="saga.replies.v1", partitions=[1, 2])

    (line,) = said()
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "event": "partitions taken",
        "level": "info",
        "topic": "saga.replies.v1",
        "partitions": [1, 2],
    }


def test_each_signal_is_logged_at_debug_with_its_ids(stream: io.StringIO, said: Said) -> None:
    logs.configure("debug", stream=stream)
    story = Story()
    log_lines = LogLines()
    for turn in story.runs(order_placed("o-1")):
        log_lines.on_commit(turn)

    assert [line["signal"] for line in said()] == ["start", "answer", "answer", "answer", "answer"]
    assert {line["level"] for line in said()} == {"debug"}
    for line, hop in zip(said(), story.transitions, strict=True):
        assert (line["instance"], line["seq"]) == (story.instance.id, hop.entry.seq)
        assert (line["trace_id"], line["span_id"]) == (hop.entry.trace_id, hop.entry.span_id)
        assert line["record"] == str(hop.entry.place)
    assert said()[0]["sent"] == ["reserve-stock/forward/1", "charge-card/forward/1"]
    assert said()[-1]["outcome"] == "orders.order-confirmed.v1"


def test_without_debug_the_facts_of_a_signal_are_not_even_gathered(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gathered(_hop: object) -> dict[str, object]:
        raise AssertionError("gathered for nobody")

    logs.configure("info", stream=stream)
    monkeypatch.setattr(logs, "_facts", gathered)
    log_lines = LogLines()
    for turn in Story().runs(order_placed("o-1")):
        log_lines.on_commit(turn)

    assert stream.getvalue() == ""


def test_a_stall_is_one_error_that_names_step_and_reason(stream: io.StringIO, said: Said) -> None:
    logs.configure("error", stream=stream)
    story = Story()
    log_lines = LogLines()
    for turn in story.runs(order_placed("o-1"), by=stalling):
        log_lines.on_commit(turn)

    (line,) = said()
    assert line["level"] == "error"
    assert line["instance"] == story.instance.id
    assert (line["step"], line["code"]) == ("reserve-stock", "lost")
    assert "no such reservation" in str(line["reason"])
    assert "trace_id" in line


async def test_a_reply_that_contradicts_an_earlier_one_is_a_warning_and_counted(
    tmp_path: Path, stream: io.StringIO, said: Said
) -> None:
    logs.configure("warning", stream=stream)
    log, log_lines, measures = Log(), LogLines(), Measures()
    counted = "order-fulfilment", "answer", Verdict.CONTRADICTORY
    async with open_coordinator(tmp_path / "saga.db") as it:
        measures.expect(it.routes)
        assert measures.transitions[counted] == 0
        await it.take(log.placed())
        (charge,) = it.sent("payments.charge-card.v1")
        await it.take(log.refuse(charge), log.refuse(charge), log.answer(charge))
    for committed in it.watcher.turns:
        log_lines.on_commit(committed)
        measures.on_commit(committed)

    (line,) = said()
    assert (line["level"], line["verdict"], line["record"]) == ("warning", "contradictory", "saga.replies.v1:0:2")
    assert str(line["why"]).startswith("contradiction: charge-card had failed, and now it was done")
    assert measures.transitions[counted] == 1


def test_the_same_error_is_logged_once_a_second(stream: io.StringIO, said: Said) -> None:
    logs.configure(stream=stream)
    log_lines = LogLines()
    for count in range(100):
        log_lines.on_error(f"{count} messages to orders.events.v1:0 were not acknowledged", OSError("no broker"))
    log_lines.on_error("timers did not fire", OSError("disk full"))

    assert [line["event"] for line in said()] == [
        "0 messages to orders.events.v1:0 were not acknowledged",
        "timers did not fire",
    ]
    assert said()[0]["error"] == "OSError: no broker"
    assert said()[0]["level"] == "warning"


def test_after_a_second_the_number_of_suppressed_lines_is_logged() -> None:
    now = [0.0]
    limit = RateLimit(every=1.0, clock=lambda: now[0])

    assert limit.suppressed("a") == 0
    assert [limit.suppressed("a") for _ in range(3)] == [None] * 3
    assert limit.suppressed("b") == 0
    now[0] = 1.0
    assert limit.suppressed("a") == 3
    assert limit.suppressed("a") is None


def test_a_trouble_names_the_place_in_the_sagas_own_code(stream: io.StringIO, said: Said) -> None:
    def remember() -> None:
        raise ZeroDivisionError("division by zero")

    logs.configure(stream=stream)
    try:
        remember()
    except ZeroDivisionError as error:
        LogLines().on_error("record orders.events.v1:0:7 was dead-lettered", error)

    assert str(said()[0]["where"]).startswith("test_logs.py:")
    assert str(said()[0]["where"]).endswith(" in remember")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("12 messages to a.b.v1:0 failed", "7 messages to a.b.v1:3 failed"),
        (
            "instance 0a5b6f3c-0f7e-5d4e-9a51-25dfd2f7e6aa of orders stalled",
            "instance 9c7e0d52-8a1b-5f63-8b0d-0d2b6a5a9d11 of orders stalled",
        ),
    ],
)
def test_two_texts_that_differ_in_ids_and_numbers_say_the_same(text: str, other: str) -> None:
    assert fingerprint(text) == fingerprint(other)
    assert fingerprint(text) != fingerprint("something else")


def test_libraries_only_warn_and_do_not_repeat_themselves(stream: io.StringIO, said: Said) -> None:
    logs.configure("debug", stream=stream)
    library = logging.getLogger("aiokafka.conn")
    for _ in range(50):
        library.info("joined")
        library.warning("Unable to connect to node %s", 1)

    (line,) = said()
    assert line["event"] == "Unable to connect to node 1"
    assert line["logger"] == "aiokafka.conn"
    assert line["level"] == "warning"


def test_an_exception_stands_in_its_line(stream: io.StringIO, said: Said) -> None:
    logs.configure(stream=stream)

    logs.logger().error("it failed", exc_info=OSError("disk full"))

    assert "OSError: disk full" in str(said()[0]["exception"])


def test_text_for_people(stream: io.StringIO) -> None:
    logs.configure("info", Format.CONSOLE, stream)

    logs.logger().warning("spans were dropped", spans=3)

    assert "spans were dropped" in stream.getvalue()
    assert "spans=3" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


CARD = "4111 1111 1111 1111"


async def test_what_an_exception_says_of_a_card_reaches_no_line_and_no_header(
    tmp_path: Path, stream: io.StringIO, said: Said
) -> None:
    logs.configure(stream=stream)
    lines, fault = LogLines(), Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        fault.words = f"no such card: {CARD}"
        await it.take(two.says("a"))
        for turn in it.watcher.turns:
            lines.on_commit(turn)
        [(cause,)] = it.rows("SELECT cause FROM dead_letter")
        [letter] = [row for row in it.messages if row.topic.endswith("-dlt")]

    [line] = [each for each in said() if "dead-lettered" in str(each["event"])]
    assert CARD in cause, "the database has it"
    assert (line["level"], line["error"], line["saga"], line["key"]) == ("error", "ArithmeticError", "made", "bad")
    assert (line["step"], line["argument"], line["function"]) == ("a", "remember", "remember")
    assert str(line["where"]) in cause
    assert f"{line['where']} in wrapped" in str(line["trace"])
    assert CARD not in stream.getvalue()
    added = [(value or b"").decode(errors="replace") for name, value in letter.headers if name.startswith("kafka_dlt")]
    assert CARD not in "".join(added)


async def test_a_key_function_that_raises_is_named_once_with_file_line_and_trace(
    tmp_path: Path, stream: io.StringIO, said: Said
) -> None:
    def key(event: saga_kit.Begun | saga_kit.Stopped) -> str:  # noqa: ARG001  the form of a key function
        raise LookupError(f"no account of {CARD}")

    logs.configure(stream=stream)
    lines, log = LogLines(), Log()
    async with open_coordinator(tmp_path / "saga.db", replace(wide(NO_FAULT, NO_FAULT), correlate=key)) as it:
        record = log.event(saga_kit.Begun(key="k-1"), "k-1")
        await it.take(record)
        for turn in it.watcher.turns:
            lines.on_commit(turn)
        [(cause,)] = it.rows("SELECT cause FROM dead_letter")
        [letter] = [row for row in it.messages if row.topic.endswith("-dlt")]

    [line] = said()
    assert (line["level"], line["error"], line["record"]) == ("error", "LookupError", str(record.place))
    assert (line["saga"], line["argument"], line["function"], line["key"]) == ("made", "correlate", "key", "k-1")
    assert str(line["where"]).startswith(f"{__file__}:")
    assert f"{line['where']} in key" in str(line["trace"])
    assert cause == f"saga made raised LookupError: no account of {CARD} (in correlate key, {line['where']})"
    headers = dict(letter.headers)
    assert headers["kafka_dlt-exception-message"] == cause.replace(f": no account of {CARD}", "").encode()
    assert headers["kafka_dlt-exception-cause-fqcn"] == b"builtins.LookupError"
    assert CARD not in stream.getvalue()


def test_unreadable_records_of_a_topic_are_one_line_a_second(stream: io.StringIO, said: Said) -> None:
    logs.configure(stream=stream)
    lines, story = LogLines(), Story()
    story.takes(*(Record(Place("orders.events.v1", 0, number), 0, None, b"not JSON", ()) for number in range(5)))
    for turn in story.turns:
        lines.on_commit(turn)

    (line,) = said()
    assert (line["event"], line["record"]) == ("record dead-lettered", "orders.events.v1:0:0")
    assert line["cause"]


def test_a_client_that_reconnects_is_no_error(stream: io.StringIO, said: Said) -> None:
    logs.configure(stream=stream)

    logging.getLogger("aiokafka.conn").error("Unable connect to node with id 1")
    logging.getLogger("another").error("lost")

    assert [line["level"] for line in said()] == ["warning", "error"]


def test_the_first_record_of_each_ignored_type_is_named_with_the_types_that_are_wanted(
    stream: io.StringIO, said: Said
) -> None:
    logs.configure(stream=stream)
    lines, at = LogLines(), datetime(2026, 1, 1, tzinfo=UTC)
    for offset, type_ in enumerate(("orders.order-praised.v1", "orders.order-praised.v1", None)):
        place = Place("orders.events.v1", 0, offset)
        unwanted = RecordVerdict(place, at, Verdict.IGNORED, f"{type_} is not wanted", "m-1", type_, b"o-1")
        lines.on_commit(Committed((), Changes(unwanted=[unwanted]), at, at))

    assert [(line["level"], line["record"], line["reason"]) for line in said()] == [
        ("info", "orders.events.v1:0:0", "orders.order-praised.v1 is not wanted"),
        ("info", "orders.events.v1:0:2", "None is not wanted"),
    ]
