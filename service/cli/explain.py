"""`saga explain`: what became of one record, why, and which instances are nearest to it."""

from datetime import UTC, datetime

from saga_coordinator.service.cli.console import echo, print_json, table
from saga_coordinator.service.cli.options import Json, RecordPlace
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.cli.records import print_record
from saga_coordinator.service.views.record import RecordExplanation, explain_record
from saga_coordinator.service.views.text import format_time


def explain(place: RecordPlace, *, json: Json = False) -> None:
    """Say what became of a record, and why.

    And which instances are nearest to it.

    JSON: [{"place", "verdict", "reason", "at", "message_id", "message_type", "instances": [ID], "audit": [TEXT],
    "candidates": [{"id", "saga", "key", "status", "waits_for": [TEXT]}], "record": {"key", "headers", "value"} of one
    that is kept}], where the verdict is applied, duplicate, ignored, buffered, unmatched, dead-lettered; or "not
    processed yet", "not read", "no record". The audit says what was done to a dead letter.
    """
    with open_reader() as reader:
        explanations = explain_record(reader, place, datetime.now(UTC))
    if json:
        print_json(explanations)
        return
    for each in explanations:
        _print(each)


def _print(explanation: RecordExplanation) -> None:
    kind = f" {explanation.message_type}" if explanation.message_type else ""
    at = f" at {format_time(explanation.at)}" if explanation.at else ""
    echo(f"{explanation.place}{kind}: {explanation.verdict}{at}")
    echo(f"  why: {explanation.reason}", indent=7)
    for line in explanation.audit:
        echo(f"  {line}")
    if record := explanation.record:
        print_record(record)
    if found := explanation.candidates:
        is_its_own = set(explanation.instances) >= {each.id for each in found}
        echo("\nits instance" if is_its_own else "\nnearest instances")
        rows = [(each.key, each.saga, each.status, "; ".join(each.waits_for), each.id) for each in found]
        table(("key", "saga", "status", "waits for", "id"), rows)
