"""The committed schemas and the AsyncAPI document match the code."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, get_type_hints

import jsonschema
import pytest

from saga_coordinator import contracts
from saga_coordinator.contracts import CancelCommand, Event, Message
from saga_coordinator.contracts.messages.orders import Line, OrderPlaced
from saga_coordinator.handlers.encode import Encoder, Origin
from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.handlers.routing import AnySaga, Routes, commands_of
from saga_coordinator.handlers.trace_context import SpanContext
from saga_coordinator.sagas import CANCELLED, Cause
from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.sagas.catalog.examples import catalog as example_catalog
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment, order_rejected
from saga_coordinator.sagas.testing.scenario import Scenario, given
from saga_coordinator.service.asyncapi.conversation import conversation
from saga_coordinator.service.asyncapi.export import check, export
from saga_coordinator.service.demo.conversation import DONE, ReceivedCommand, read_command, reply_headers
from tests.support.project_tree import ROOT

COMMITTED = ROOT / "contracts"
PLACED = OrderPlaced.model_validate(
    {
        "order_id": "1001",
        "customer_id": "c-1",
        "currency": "EUR",
        "total": "49.99",
        "lines": [{"sku": "mug", "quantity": 1, "unit_price": "49.99"}],
        "ship_to": {"street": "Hauptstr. 1", "city": "Berlin", "postcode": "10115", "country": "DE"},
    }
)


# --- schemas and document match the code


def test_exporting_again_changes_nothing(tmp_path: Path) -> None:
    assert check(COMMITTED) == []
    written_files = export(tmp_path)
    assert {path.relative_to(tmp_path): path.read_bytes() for path in written_files} == {
        path.relative_to(COMMITTED): path.read_bytes()
        for path in (*COMMITTED.glob("schemas/*.json"), COMMITTED / "asyncapi.json")
    }
    assert export(tmp_path) == []


def test_every_message_of_the_contracts_has_a_schema_or_belongs_to_an_example() -> None:
    """Messages that only the examples use have no readers or senders, so their schemas are not exported."""
    described = {path.name.removesuffix(".json") for path in COMMITTED.glob("schemas/*.json")}
    assert {each.type for each in conversation(catalog)} == described
    examples = {message.message_type for saga in example_catalog for message in messages_of(saga)}
    examples.add(CancelCommand.message_type)
    assert {message.message_type for message in messages()} == described | examples


def test_every_topic_of_the_catalog_is_a_channel() -> None:
    routes = Routes(catalog)
    assert set(asyncapi()["channels"]) == routes.topics_in | routes.topics_out


def test_every_reference_of_the_document_has_a_target() -> None:
    whole = asyncapi()
    references = list(references_in(whole))
    assert len(references) > len(whole["operations"])
    for reference in references:
        if reference.startswith("#/"):
            node: Any = whole
            for name in reference.removeprefix("#/").split("/"):
                node = node[name]
        else:
            assert (COMMITTED / reference).is_file()


def test_every_command_is_an_operation_with_the_replies_of_its_class() -> None:
    operation = asyncapi()["operations"]["send-inventory.reserve-stock.v1-on-inventory.commands.v1"]
    replies = [each["$ref"].rsplit("/", 1)[1] for each in operation["reply"]["messages"]]
    assert replies == ["inventory.stock-reserved.v1", "saga.failure.v1"]


def test_the_schema_of_an_order_accepts_what_the_model_accepts() -> None:
    jsonschema.validate(json.loads(PLACED.model_dump_json()), schema("orders.order-placed.v1"))


@pytest.mark.parametrize("amount", ["49.99", "-0.5", "0", "1" * 18])
def test_an_amount_that_the_model_accepts_is_accepted_by_the_schema(amount: str) -> None:
    assert accepts_line({"sku": "mug", "quantity": 1, "unit_price": amount}) == (True, True)


@pytest.mark.parametrize("amount", [49.99, 5, "", "1e3", "1,50", ".5", "1.", "1" * 19, "٤", None])
def test_an_amount_that_the_model_refuses_is_refused_by_the_schema(amount: object) -> None:
    assert accepts_line({"sku": "mug", "quantity": 1, "unit_price": amount}) == (False, False)


def test_the_headers_of_sent_messages_are_those_of_the_document() -> None:
    scenario = given(order_fulfilment, PLACED)
    for row, type_ in (
        (command_of(scenario), "inventory.reserve-stock.v1"),
        (outcome_of(scenario), "orders.order-rejected.v1"),
    ):
        headers = {name: (raw or b"").decode() for name, raw in row.headers}
        assert headers["ce_type"] == type_
        jsonschema.validate(headers, headers_of(type_))
        jsonschema.validate(json.loads(row.value or b""), schema(type_))


def test_a_reply_written_from_the_documentation_has_the_headers_of_the_document() -> None:
    row = command_of(given(order_fulfilment, PLACED))
    command = read_command(row.topic, row.key, row.value, row.headers)
    assert isinstance(command, ReceivedCommand)
    headers = reply_headers(command, DONE, "re-1", at=datetime.now(UTC).isoformat())
    texts = {name: raw.decode() for name, raw in headers}
    jsonschema.validate(texts, headers_of("saga.done.v1"))
    del texts["ce_causationid"]
    with pytest.raises(jsonschema.ValidationError, match="ce_causationid"):
        jsonschema.validate(texts, headers_of("saga.done.v1"))


# --- support for the tests above


def messages() -> Iterator[type[Message]]:
    """Yield every message that a module of `contracts` declares for the wire."""
    for module in walk_packages(contracts.__path__, "saga_coordinator.contracts."):
        for each in vars(import_module(module.name)).values():
            if isinstance(each, type) and issubclass(each, Message) and "message_type" in vars(each):
                yield each


def messages_of(saga: AnySaga) -> Iterator[type[Message]]:
    """Yield every message that a saga receives or sends."""
    yield saga.starts_on
    yield from (each.event for each in saga.plan.receives)
    yield from (event for event in (saga.cancel_on,) if event is not None)
    for outcome in (saga.on_completed, saga.on_compensated):
        if outcome is not None:
            yield get_type_hints(outcome)["return"]
    for command in commands_of(saga):
        yield command
        yield command.reply
        if command.cancellable:
            yield CancelCommand


def asyncapi() -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((COMMITTED / "asyncapi.json").read_text(encoding="utf-8"))
    return whole


def schema(type_: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((COMMITTED / "schemas" / f"{type_}.json").read_text(encoding="utf-8"))
    return found


def headers_of(type_: str) -> dict[str, Any]:
    whole = asyncapi()
    return {**whole["components"]["messages"][type_]["headers"], "components": whole["components"]}


def references_in(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, each in node.items():
            if name == "$ref":
                yield each
            else:
                yield from references_in(each)
    elif isinstance(node, list):
        for each in node:
            yield from references_in(each)


def accepts_line(line: dict[str, object]) -> tuple[bool, bool]:
    """Return whether the model accepts a line of an order, and whether the schema does."""
    whole = schema("orders.order-placed.v1")
    by_schema = jsonschema.Draft202012Validator({"$ref": "#/$defs/Line", "$defs": whole["$defs"]}).is_valid(line)
    try:
        Line.model_validate_json(json.dumps(line))
    except ValueError:
        return False, by_schema
    return True, by_schema


def origin(scenario: Scenario[Any]) -> Origin:
    return Origin(order_fulfilment, scenario.instance, 0, "2026-01-01T00:00:00Z", "e-1")


def command_of(scenario: Scenario[Any]) -> OutboxMessage:
    return ENCODER.command(origin(scenario), scenario.sent[0], SPAN)


def outcome_of(scenario: Scenario[Any]) -> OutboxMessage:
    outcome: Event = order_rejected(scenario.data, Cause(None, CANCELLED, "changed their mind"))
    return ENCODER.outcome(origin(scenario), outcome, SPAN)[0]


ENCODER = Encoder(lambda _topic, _key: 0)
SPAN = SpanContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
