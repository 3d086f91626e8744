"""`saga why`: why an instance is where it is, in one paragraph."""

from datetime import UTC, datetime

from saga_coordinator.service.cli.console import explain, print_json
from saga_coordinator.service.cli.options import History, Instance, Json, OfSaga
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.instance import find, show_instance


def why(instance: Instance, *, saga: OfSaga = None, history: History = 500, json: Json = False) -> None:
    """Say why an instance is where it is.

    In one paragraph: what it waits for, since when, and what happens next; or how it ended.

    JSON: {"id", "status", "why"}
    """
    with open_reader() as reader:
        detail = show_instance(reader, find(reader, instance, saga), history, datetime.now(UTC))
    if json:
        print_json({"id": detail.id, "status": detail.status, "why": detail.why})
    else:
        explain(detail.sentences)
