"""`saga diff`: two versions compared, those of the catalog or those at two places in the code."""

import pytest

from tests.unit.cli._support.said import Saga

PLACES = ("saga_coordinator.sagas.catalog.order_fulfilment:order_fulfilment", "tests.unit.cli._support.versions:second")
CHANGED = "step notify-customer: timeout: 5 min -> 7 days"


@pytest.fixture(autouse=True)
def _two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_CATALOG", "tests.unit.cli._support.versions:catalog")


@pytest.mark.parametrize("which", [("order-fulfilment", "1", "2"), PLACES])
def test_each_difference_is_shown_with_its_meaning(saga: Saga, which: tuple[str, ...]) -> None:
    heading, change, means = saga.does("diff", *which).out.splitlines()

    assert heading == "order-fulfilment v1 -> order-fulfilment v2"
    assert change.strip() == f"changed {CHANGED}"
    assert "it counts from the next sending" in means
    shown = saga.does("diff", *which, "--json").json
    assert shown["from"] == {"saga": "order-fulfilment", "version": 1}
    assert [(each["what"], f"{each['subject']}: {each['detail']}") for each in shown["changes"]] == [
        ("changed", CHANGED)
    ]


def test_nothing_that_differs_is_said_to_be_so(saga: Saga) -> None:
    assert "Nothing that is declared has changed." in saga.does("diff", "order-fulfilment", "1", "1").out


@pytest.mark.parametrize(
    ("which", "code", "message"),
    [
        (("order-fulfilment", "1", "3"), 1, "the catalog has no version 3 of saga order-fulfilment; it has 1, 2"),
        (("orders", "1", "2"), 1, "there is no saga 'orders' in the catalog; it has order-fulfilment"),
        (("order-fulfilment", "1", "two"), 2, "have to be numbers of versions"),
        (("order-fulfilment", "2"), 2, "is no place in the code"),
        (("tests.unit.cli._support.versions:catalog", PLACES[1]), 2, "holds several sagas"),
    ],
)
def test_an_unknown_saga_or_version_is_reported(saga: Saga, which: tuple[str, ...], code: int, message: str) -> None:
    said = saga("diff", *which)

    assert said.code == code
    assert message in " ".join(said.err.replace("│", " ").split())
