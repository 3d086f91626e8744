"""`saga why`: why an instance is where it is, in one paragraph; or why a key has none."""

from datetime import UTC, datetime

from saga_coordinator.service.cli.console import explain, print_json
from saga_coordinator.service.cli.options import History, Instance, Json, OfSaga
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.explanation import explain_key


def why(instance: Instance, *, saga: OfSaga = None, history: History = 500, json: Json = False) -> None:
    """Say why an instance is where it is.

    In one paragraph: what it waits for, since when, and what happens next; or how it ended. Of a key that has no
    instance: what became of its records.

    JSON: {"id", "status", "why", "sentences": [TEXT], "records": as `saga records ls`}; id and status are null if there
    is no instance
    """
    with open_reader() as reader:
        explanation = explain_key(reader, instance, saga, history, datetime.now(UTC))
    if json:
        print_json(explanation)
    else:
        explain(explanation.sentences)
