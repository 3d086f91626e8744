"""Whatever bytes may stand in a record: nonsense, nearly right, and right but for one thing."""

import json
import os
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from saga_coordinator.handlers.records import RawHeaders
from tests.unit.handlers._support.order_log import (
    EVENTS,
    FAILURE,
    REPLIES,
    attributes,
    command_id,
    instance_id,
    placed_value,
)

IS_SOAKED: Final = os.environ.get("SAGA_TEST_PROPERTIES") == "soak"


def tried(examples: int) -> settings:
    """How often a property is tried: always with the same examples, but with ever new ones in a soak."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=not IS_SOAKED,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


TYPES: Final = (
    "orders.order-placed.v1", "orders.order-cancelled.v1", "inventory.stock-reserved.v1", "saga.done.v1", FAILURE,
)  # fmt: skip
VALUES: Final = (
    placed_value("o-1"),
    json.dumps({"order_id": "o-1", "reason": "why"}).encode(),
    b'{"reservation_id": "R-1"}',
    b'{"code": "no", "message": "", "retryable": true, "retry_after": 3}',
)
NAMES: Final = (
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_correlationid", "ce_causationid", "ce_attempt", "ce_replyto",
    "content-type", "traceparent", "tracestate",
)  # fmt: skip
ODD_TEXTS: Final = ("", "\0", "\ud800", "a" * 17_000, "9" * 5_000, "-1e999", "NaN", "e\u0301", "\u202e", "1.0")
STRUCTURED: Final = b"application/cloudevents+json"

odd_texts = st.sampled_from(ODD_TEXTS) | st.text(st.characters(), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | odd_texts
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_texts, inner, max_size=4),
    max_leaves=12,
)
jsons = st.builds(lambda tree: json.dumps(tree).encode(), trees)
deep = st.builds(
    lambda bracket, levels: bracket * levels, st.sampled_from([b"[", b'{"a":', b'[{"":']), st.integers(1, 100_000)
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A right value in which a few bytes were changed, taken out or put in."""
    value = bytearray(draw(st.sampled_from(VALUES)))
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(value)))
        value[begin : begin + draw(st.integers(0, 4))] = draw(st.binary(max_size=6))
    return bytes(value)


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A right object in which fields were replaced, some of them twice there."""
    whole = json.loads(draw(st.sampled_from(VALUES)))
    whole |= draw(st.dictionaries(st.sampled_from(sorted(whole)) | odd_texts, trees, max_size=3))
    text = json.dumps(whole)
    return (text[:-1] + "," + text[1:] if draw(st.booleans()) else text).encode()


@st.composite
def structured(draw: st.DrawFn) -> bytes:
    """An event in structured mode, more or less."""
    names = st.sampled_from(["id", "source", "type", "specversion", "correlationid", "causationid", "data_base64"])
    usual: dict[str, object] = {"specversion": "1.0", "id": "m", "source": "/t", "type": draw(st.sampled_from(TYPES))}
    usual |= {"data": json.loads(draw(st.sampled_from(VALUES))), "correlationid": instance_id("o-1")}
    return json.dumps(usual | draw(st.dictionaries(names | odd_texts, trees, max_size=3))).encode()


values = st.none() | st.binary(max_size=60) | spoilt() | changed() | structured() | jsons | deep


@st.composite
def headers(draw: st.DrawFn) -> RawHeaders:
    """Headers that are right but for a few, in any order, some twice; or none that mean anything."""
    step = draw(st.sampled_from(["reserve-stock", "charge-card"]))
    more = {"ce_correlationid": instance_id("o-1"), "ce_causationid": command_id("o-1", step)}
    headers: list[tuple[str, bytes | None]] = list(attributes("m-1", draw(st.sampled_from(TYPES)), **more).items())
    raw = st.none() | st.binary(max_size=30) | st.sampled_from([STRUCTURED, b"1.0", b"\0", b"x" * 20_000])
    names = st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    headers += draw(st.lists(st.tuples(names, raw), max_size=4) | st.just([("x", b"")] * 70))
    return tuple(draw(st.permutations(headers)) if draw(st.booleans()) else headers)


keys = st.none() | st.binary(max_size=10) | st.just(b"o-1")
topics = st.sampled_from([EVENTS, REPLIES])
whole_structured = st.tuples(st.just((("content-type", STRUCTURED),)), structured())
contents = st.tuples(headers(), values) | whole_structured
"""Headers and value, that may fit each other."""
