"""What differs between two versions of a saga is named, each with what it means for instances in flight."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from saga_coordinator.contracts import Command, Done
from saga_coordinator.sagas import Cause, Retry, Saga, alternatives, parallel, pivot, receive, step
from saga_coordinator.sagas.catalog.examples import catalog as examples
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.language.nodes import Node, Step
from saga_coordinator.sagas.versions.diff import Change, ChangeKind, differences
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    Begun,
    Data,
    Finished,
    choice,
    command,
    compensatable,
    key,
    makes,
    point_of_no_return,
    retriable,
    safe,
    saga,
)
from tests.unit.diagrams._support.any_saga import Happened, each, happened_key

OLD = saga(compensatable("a"), compensatable("b"), point_of_no_return(), retriable("notify"), deadline=HOUR)


def shown(changes: Iterable[Change]) -> list[tuple[ChangeKind, str, str]]:
    return [(each.what, each.subject, each.detail) for each in changes]


def against(*nodes: Node[Data], deadline: timedelta | None = HOUR) -> list[Change]:
    return differences(OLD, saga(*nodes, deadline=deadline))


def test_a_definition_does_not_differ_from_itself() -> None:
    for definition in (OLD, order_fulfilment, *examples):
        assert differences(definition, replace(definition, version=definition.version + 1)) == []


def test_a_step_that_is_added_and_one_that_is_removed_are_named() -> None:
    changes = against(compensatable("a"), safe("look"), point_of_no_return(), retriable("notify"))

    assert shown(changes) == [
        (ChangeKind.REMOVED, "step b", "in the main sequence"),
        (ChangeKind.ADDED, "step look", "in the main sequence"),
    ]
    assert "its compensation would be lost" in changes[0].means
    assert "beyond its place ends in the old version" in changes[1].means


def test_a_step_under_another_name_is_suspected() -> None:
    renamed = replace(compensatable("b"), name="c")
    removed, _ = against(compensatable("a"), renamed, point_of_no_return(), retriable("notify"))

    assert "if it is c now, say so in the mapping of `saga migrate`" in removed.means


def test_of_two_that_change_places_only_one_has_moved() -> None:
    changes = against(compensatable("b"), compensatable("a"), point_of_no_return(), retriable("notify"))
    assert len(changes) == 1
    assert changes[0].what is ChangeKind.MOVED
    assert changes[0].detail == "stands elsewhere in the order"


def test_a_step_that_stands_in_another_node_has_moved() -> None:
    changes = against(
        compensatable("a"), choice("fork", 0, compensatable("b")), point_of_no_return(), retriable("notify")
    )
    assert shown(changes) == [
        (ChangeKind.ADDED, "branch fork", "in the main sequence"),
        (ChangeKind.MOVED, "step b", "in the main sequence -> in branch fork"),
    ]
    grouped = against(parallel(compensatable("a"), compensatable("b")), point_of_no_return(), retriable("notify"))
    assert [change.subject for change in grouped] == ["step a", "step b"]


def test_whatever_was_declared_of_a_step_is_compared() -> None:
    other: Step[Data] = step(
        "a",
        makes(command("other")),
        compensate=makes(command("another", undo=True)),
        timeout=2 * MINUTE,
        retry=Retry(attempts=3),
        compensate_retry=Retry(attempts=2),
        undo_when_unknown=False,
    )
    changes = against(other, compensatable("b"), point_of_no_return(), retriable("notify"))

    assert {change.subject for change in changes} == {"step a"}
    assert [change.detail.split(":")[0] for change in changes] == [
        "command",
        "compensation",
        "timeout",
        "retry",
        "retry of the compensation",
        "undone when unknown",
        "remembers the reply",
    ]
    assert changes[0].detail == "command: made.do-a.v1 -> made.do-other.v1"
    assert all(change.means for change in changes)


def test_a_step_that_becomes_the_pivot_changes_its_kind() -> None:
    kinds = [
        change.detail
        for change in against(compensatable("a"), pivot("b", makes(command("b"))), retriable("notify"))
        if change.detail.startswith("kind")
    ]
    assert kinds == ["kind: step -> pivot"]


def test_waits_lists_branches_and_alternatives_are_compared() -> None:
    old = saga(
        receive("approval", Happened, key=happened_key, timeout=HOUR),
        each("item", can_be_undone=True),
        choice("fork", 0, compensatable("x")),
        alternatives(compensatable("m"), compensatable("n"), name="either"),
    )
    new = saga(
        receive("approval", Happened, key=happened_key, timeout=2 * HOUR),
        each("item", can_be_undone=True, limit=3),
        choice("fork", 0, safe("y"), otherwise=(compensatable("x"),)),
        alternatives(compensatable("n"), compensatable("m"), name="either"),
    )
    assert [(what, subject) for what, subject, _ in shown(differences(old, new))] == [
        (ChangeKind.CHANGED, "receive approval"),
        (ChangeKind.CHANGED, "for_each item"),
        (ChangeKind.ADDED, "step y"),
        (ChangeKind.MOVED, "step x"),
        (ChangeKind.CHANGED, "alternatives either"),
        (ChangeKind.MOVED, "step n"),
        (ChangeKind.MOVED, "step m"),
    ]


class Richer(BaseModel):
    model_config = ConfigDict(frozen=True)

    key: str
    coins: str
    vip: bool
    items: tuple[str, ...] = ()
    note: str | None = None


def richer(event: Begun) -> Richer:
    return Richer(key=event.key, coins="", vip=False)


class Look(Command[Done]):
    message_type, topic, safe = "made.look.v1", "made.commands.v1", True


def look(data: Richer) -> Look:  # noqa: ARG001  the form of a send
    return Look()


def over(data: Richer) -> Finished:
    return Finished(key=data.key)


def richly_unwound(data: Richer, cause: Cause) -> Finished:  # noqa: ARG001  the form of an outcome
    return Finished(key=data.key)


def test_the_data_and_what_holds_for_the_whole_are_compared() -> None:
    new = Saga(
        name="made",
        version=2,
        starts_on=Begun,
        correlate=key,
        begin=richer,
        steps=(step("look", look),),
        on_completed=over,
        on_compensated=richly_unwound,
        deadline=2 * HOUR,
    )
    changes = differences(saga(safe("look"), deadline=HOUR), new)

    assert [detail for _, subject, detail in shown(changes) if subject == "saga"] == [
        "is cancelled by: made.stopped.v1 -> nothing",
        "deadline: 1 h -> 2 h",
        "outcome when compensated: made.unwound.v1 -> made.finished.v1",
    ]
    assert [line for line in shown(changes) if line[1].startswith("data field")] == [
        (ChangeKind.REMOVED, "data field seen", "tuple[str, ...], with a default"),
        (ChangeKind.CHANGED, "data field coins", "int, required -> str, required"),
        (ChangeKind.ADDED, "data field vip", "bool, required"),
        (ChangeKind.ADDED, "data field note", "str | None, with a default"),
    ]
    assert "its mapping has to give a value" in changes[-2].means
