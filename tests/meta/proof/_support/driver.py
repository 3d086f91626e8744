"""Run in a folder with a copy of the machine: tries every saga, and writes the first violation, if there is one."""

import json
import sys

from saga_coordinator.contracts import Message
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.testing.explorer.explore import Exploration, explore
from saga_coordinator.sagas.testing.explorer.script import SagaLocation, script
from saga_coordinator.sagas.testing.invariants.order import AnySaga
from tests.unit.testing._support.sample_sagas import SAGAS, starts

ENOUGH = 20_000
"""Four times as many states as the largest of these sagas has: a machine that needs more goes round in circles."""


def main() -> None:
    """Write {"invariant", "script", "fails"}, or null: a test that shows the violation, and how it ends here."""
    tried: list[tuple[AnySaga, tuple[Message, ...], SagaLocation]] = [
        (saga, starts(name), SagaLocation("tests.unit.testing._support.sample_sagas", name))
        for name, saga in SAGAS.items()
    ]
    place = SagaLocation("saga_coordinator.sagas.catalog.order_fulfilment", "order_fulfilment")
    for saga, events, where in [*tried, (order_fulfilment, (), place)]:
        found = explore(saga, events, max_states=ENOUGH, first_only=True)
        if found.counterexamples:
            sys.stdout.write(json.dumps(result_of(found, where)))
            return
    sys.stdout.write("null")


def result_of(found: Exploration, place: SagaLocation) -> dict[str, str | None]:
    first = found.counterexamples[0]
    text = script(first, found.given, place)
    return {"invariant": first.invariant, "script": text, "fails": what_comes_of(text)}


def what_comes_of(text: str) -> str | None:
    """Run the test; return the error that it ends with, None if it passes."""
    names: dict[str, object] = {}
    exec(text, names)  # noqa: S102  the test that the matrix has written
    test = next(value for name, value in names.items() if name.startswith("test_"))
    assert callable(test)
    try:
        test()
    except Exception as error:  # noqa: BLE001  a test may end with any
        return type(error).__name__
    return None


if __name__ == "__main__":
    main()
