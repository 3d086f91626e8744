"""The outline of a definition is the same text for what may be changed in place, and another for what may not."""

from dataclasses import replace
from typing import Any

import pytest

from saga_coordinator.sagas import Retry, Saga, parallel
from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.sagas.language.nodes import Node
from saga_coordinator.sagas.versions.outline import fingerprint, outline_changes, outline_of
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    awaits,
    choice,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)

END = point_of_no_return(), retriable("z")
OLD = saga(compensatable("a"), awaits("payment"), choice("b", 0, compensatable("b1")), *END, deadline=HOUR)


def described(new: Saga[Any, Any]) -> list[str]:
    return outline_changes(outline_of(OLD), outline_of(new))


def of(*nodes: Node[Any], **more: Any) -> Saga[Any, Any]:  # noqa: ANN401  fields of a saga
    return saga(*nodes, *END, deadline=HOUR, **more)


@pytest.mark.parametrize("definition", catalog, ids=lambda each: each.name)
def test_the_same_definition_has_the_same_outline(definition: Saga[Any, Any]) -> None:
    again = replace(definition, version=definition.version)

    assert outline_of(again) == outline_of(definition)
    assert outline_changes(outline_of(definition), outline_of(again)) == []


def test_times_and_retries_are_changed_in_place() -> None:
    tuned = saga(
        compensatable("a", timeout=5 * MINUTE, retry=Retry(attempts=9), compensate_retry=Retry(attempts=2)),
        awaits("payment", timeout=2 * MINUTE),
        choice("b", 0, compensatable("b1")),
        *END,
        deadline=2 * HOUR,
    )

    assert outline_of(tuned) == outline_of(OLD)


A, PAYMENT, B = compensatable("a"), awaits("payment"), choice("b", 0, compensatable("b1"))


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (of(A, compensatable("new"), PAYMENT, B), "step new added (in the main sequence)"),
        (of(PAYMENT, B), "step a removed (in the main sequence)"),
        (of(PAYMENT, A, B), "moved stands elsewhere in the order"),
        (of(parallel(A, PAYMENT), B), "step a moved in the main sequence -> in parallel"),
        (of(replace(A, send=compensatable("x").send), PAYMENT, B), "command: made.do-a.v1 -> made.do-x.v1"),
        (
            of(replace(A, compensate=compensatable("x").compensate), PAYMENT, B),
            "compensation: made.undo-a.v1 -> made.undo-x.v1",
        ),
        (of(replace(A, undo_when_unknown=False), PAYMENT, B), "undone when unknown: yes -> no"),
        (replace(OLD, cancel_on=None), "is cancelled by: "),
    ],
    ids=["added", "removed", "moved", "in a group", "command", "compensation", "unknown", "cancel"],
)
def test_what_instances_rely_on_is_another_outline_and_named(new: Saga[Any, Any], change: str) -> None:
    assert fingerprint(outline_of(new)) != fingerprint(outline_of(OLD))
    assert any(change in each for each in described(new)), described(new)
