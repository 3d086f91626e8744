"""A live instance moves to another version, asks for a mapping, drains, or is refused; and says why."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs
from pydantic import BaseModel

from saga_coordinator.sagas import Retry, Saga, alternatives, parallel, pivot, receive, series, step
from saga_coordinator.sagas.language.data import DataReader
from saga_coordinator.sagas.language.nodes import ForEach, Node, Receive
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import Scenario, given
from saga_coordinator.sagas.versions.mapping import VersionMapping, faults
from saga_coordinator.sagas.versions.migration import Disposition, Migration, plan_migration
from tests.support.saga_kit import (
    Begun,
    Data,
    Did,
    choice,
    command,
    compensatable,
    makes,
    point_of_no_return,
    retriable,
    safe,
    saga,
)
from tests.unit.diagrams._support.any_saga import Happened, each, happened_key

OLD = saga(compensatable("a"), compensatable("b"), point_of_no_return(), retriable("notify"))
A_DONE = given(OLD, Begun()).replies("a", Did())
AT_NOTIFY = A_DONE.replies("b", Did()).replies("pivot", Did())
END = (point_of_no_return(), retriable("notify"))


def version(*nodes: Node[Data]) -> Saga[Begun, Data]:
    return replace(saga(*nodes), version=2)


def judged(story: Scenario[Data], *nodes: Node[Data], by: dict[str, str] | None = None) -> Migration:
    return plan_migration(story.saga, version(*nodes), story.instance, VersionMapping(steps=by or {}))


def called(name: str, other: str) -> Node[Data]:
    """The compensatable step under another name."""
    return replace(compensatable(name), name=other)


def test_an_instance_moves_without_a_mapping_and_keeps_its_state() -> None:
    migration = judged(A_DONE, compensatable("a"), compensatable("b"), safe("look"), *END)

    assert (migration.fate, migration.reasons) == (Disposition.MOVES, ())
    assert migration.instance == structs.replace(A_DONE.instance, version=2)


def test_a_renamed_step_asks_for_its_new_name_and_moves_with_it() -> None:
    nodes = (called("a", "first"), compensatable("b"), *END)
    migration = judged(A_DONE, *nodes)
    assert migration.fate is Disposition.ASKS
    assert migration.reasons == ('step a is not in version 2: if it is first now, write a = "first" under [steps]',)

    after = judged(A_DONE, *nodes, by={"a": "first"}).instance
    assert after is not None
    assert after.steps == {"first": A_DONE.instance.steps["a"], "b": A_DONE.instance.steps["b"]}


def test_a_step_that_is_done_and_gone_would_lose_its_undo() -> None:
    migration = judged(A_DONE, compensatable("b"), *END)
    assert migration.fate is Disposition.REFUSED
    assert migration.reasons == ("the undo of a would be lost: version 2 would not undo it",)


def test_a_step_that_is_done_and_has_no_compensation_any_more_is_refused() -> None:
    bare = replace(safe("x"), name="a")
    assert judged(A_DONE, bare, compensatable("b"), *END).fate is Disposition.REFUSED


def test_a_step_that_is_mapped_to_another_would_be_done_twice() -> None:
    nodes = (compensatable("other"), called("a", "first"), compensatable("b"), *END)
    migration = judged(given(OLD, Begun()), *nodes, by={"a": "other"})
    assert migration.fate is Disposition.REFUSED
    assert migration.reasons == ("a would be done twice: first of version 2 sends made.do-a.v1 again",)


def test_a_pivot_that_was_sent_has_to_be_the_pivot() -> None:
    migration = judged(AT_NOTIFY, compensatable("a"), compensatable("b"), compensatable("pivot"), safe("notify"))
    assert migration.fate is Disposition.REFUSED
    assert "the pivot pivot was sent, and is none in version 2" in migration.reasons[0]


def test_a_step_that_becomes_the_pivot_refuses_those_that_have_sent_it() -> None:
    migration = judged(A_DONE, compensatable("a"), pivot("b", makes(command("b"))), retriable("notify"))
    assert migration.fate is Disposition.REFUSED
    assert migration.reasons == ("the undo of b would be lost: version 2 would not undo it",)


def test_beyond_a_new_step_an_instance_drains_and_before_it_moves() -> None:
    nodes = (compensatable("a"), compensatable("new"), compensatable("b"), *END)
    assert judged(given(OLD, Begun()), *nodes).fate is Disposition.MOVES
    migration = judged(AT_NOTIFY, *nodes)
    assert migration.fate is Disposition.DRAINS
    assert migration.reasons == ("it is beyond new, which version 2 wants to be done before",)


def test_on_its_way_back_a_new_step_does_not_matter() -> None:
    turned = A_DONE.fails("b", code="no")
    assert judged(turned, compensatable("a"), compensatable("new"), compensatable("b"), *END).fate is Disposition.MOVES


def test_what_is_in_flight_has_to_be_awaited_alike() -> None:
    gone = given(saga(safe("look"), compensatable("b")), Begun())
    assert judged(gone, compensatable("b")).reasons == ("look is in flight, and is no step of version 2",)

    other = step("a", makes(command("other")), compensate=makes(command("a", undo=True)))
    migration = judged(given(OLD, Begun()), other, compensatable("b"), *END)
    assert migration.fate is Disposition.DRAINS
    assert migration.reasons == (
        "a awaits an answer, and its command has changed from made.do-a.v1 to made.do-other.v1",
    )
    assert judged(A_DONE, other, compensatable("b"), *END).fate is Disposition.MOVES


def test_a_wait_goes_on_only_where_it_would_be_found() -> None:
    waits: Receive[Data] = receive("approval", Happened, key=happened_key)
    keyed = receive("approval", Happened, key=happened_key, expects=key_of)
    story = given(saga(waits, compensatable("a")), Begun())

    assert judged(story, waits, compensatable("a"), safe("look")).fate is Disposition.MOVES
    assert judged(story, compensatable("a")).reasons == ("it waits in approval, which is not in version 2",)
    assert judged(story, keyed, compensatable("a")).reasons == (
        "it waits in approval under a key that version 2 would not find",
    )
    assert judged(story, replace(waits, name="consent"), compensatable("a")).fate is Disposition.ASKS


def key_of(data: Data) -> str:
    return f"{data.key}-approval"


def test_a_step_put_into_a_branch_that_was_never_chosen_is_not_undone_there() -> None:
    migration = judged(A_DONE, choice("fork", 0, compensatable("a")), compensatable("b"), *END)
    assert migration.fate is Disposition.REFUSED
    assert migration.reasons == ("the undo of a would be lost: version 2 would not undo it",)


def test_an_alternative_that_was_left_may_not_stand_on_the_way() -> None:
    tried = alternatives(compensatable("x"), compensatable("y"), name="either")
    story = given(saga(tried, compensatable("z")), Begun()).fails("x", code="no").expects("y")

    assert judged(story, tried, compensatable("z"), safe("look")).fate is Disposition.MOVES
    migration = judged(story, parallel(compensatable("x"), compensatable("y")), compensatable("z"))
    assert migration.fate is Disposition.DRAINS
    assert "x was left for another alternative, and is none in version 2" in migration.reasons
    swapped = alternatives(compensatable("y"), compensatable("x"), name="either")
    assert judged(story, swapped, compensatable("z")).fate is Disposition.DRAINS


def test_a_stalled_instance_moves_to_a_version_that_mends_it() -> None:
    stalled = AT_NOTIFY.fails("notify", code="no")
    assert stalled.status is Status.STALLED
    migration = judged(stalled, compensatable("a"), compensatable("b"), point_of_no_return(), retriable("notify"))
    assert migration.fate is Disposition.MOVES


def test_what_the_author_lets_drain_drains() -> None:
    migration = plan_migration(OLD, version(compensatable("b"), *END), A_DONE.instance, VersionMapping(drains=("a",)))
    assert (migration.fate, migration.reasons) == (Disposition.DRAINS, ("it has reached a, which drains",))


def test_a_compensation_that_cannot_be_made_of_the_data_is_refused() -> None:
    def undo(data: Data) -> Any:  # noqa: ANN401  annotated below
        raise KeyError(data.key)

    undo.__annotations__["return"] = command("a", undo=True)
    broken = step("a", makes(command("a")), compensate=undo, retry=Retry(attempts=2))
    migration = judged(A_DONE, broken, compensatable("b"), *END)
    assert migration.reasons == ("the compensation of a raises KeyError: 'k-1'",)


class Renamed(BaseModel, frozen=True):
    key: str
    coins: int
    items: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    vip: bool


def begin_renamed(event: Begun) -> Renamed:
    return Renamed(key=event.key, coins=event.coins, vip=False)


def test_data_fields_are_renamed_and_given_values() -> None:
    data = given(OLD, Begun()).replies("a", Did(word="x")).instance
    new: Any = version(compensatable("a"), compensatable("b"), *END)
    vars(new)["plan"] = replace(new.plan, data=DataReader(new.name, Renamed))
    migration = plan_migration(OLD, new, data)
    assert migration.fate is Disposition.ASKS
    assert [reason.split(":")[0] for reason in migration.reasons] == [
        "data field seen is not in version 2",
        "data field vip",
    ]
    by = VersionMapping(fields={"seen": "noted"}, data={"vip": True})
    after = plan_migration(OLD, new, structs.replace(data, steps={}), by)
    assert after.instance is not None
    assert after.instance.data == Renamed(key="k-1", coins=0, noted=("a:x",), vip=True)
    dropped = plan_migration(
        OLD, new, structs.replace(data, steps={}), VersionMapping(fields={"seen": ""}, data={"vip": True})
    )
    assert dropped.dropped == ("seen",)


@pytest.mark.parametrize(
    ("by", "problem"),
    [
        (VersionMapping(steps={"x": "a"}), "[steps] x: version 1 has no such node; it has a, b, pivot, notify"),
        (VersionMapping(steps={"a": "x"}), "[steps] a = x: version 2 has no such node; it has a, b, pivot, notify"),
        (
            VersionMapping(steps={"a": "b"}),
            "[steps] two nodes of version 1 would become b: each has a place of its own",
        ),
        (VersionMapping(drains=("x",)), "drains: version 1 has no node x"),
        (VersionMapping(fields={"x": "key"}), "[fields] x: the data of version 1 have no such field"),
        (VersionMapping(fields={"key": "x"}), "[fields] key = x: the data of version 2 have no such field"),
        (VersionMapping(data={"x": 1}), "[data] x: the data of version 2 have no such field"),
    ],
)
def test_an_error_in_a_mapping_is_reported(by: VersionMapping, problem: str) -> None:
    assert list(faults(OLD, replace(OLD, version=2), by)) == [problem]


def test_time_stays_as_it_was_when_an_instance_moves() -> None:
    later = A_DONE.passes(timedelta(seconds=10))
    after = judged(later, compensatable("a"), compensatable("b"), *END).instance
    assert after is not None
    assert after.next_timer_at == later.instance.next_timer_at


def test_the_items_of_a_list_are_undone_by_the_version_that_they_move_to() -> None:
    items = each("item", can_be_undone=True)
    story = given(saga(items, compensatable("b")), Begun(coins=2)).replies("item[item-0]", Did())

    assert judged(story, items, compensatable("b"), safe("look")).fate is Disposition.MOVES
    assert isinstance(items, ForEach)
    other = replace(items, step=replace(items.step, undo_when_unknown=False))
    silent = story.passes(timedelta(minutes=5))
    migration = judged(silent, other, compensatable("b"))
    assert migration.fate is Disposition.REFUSED
    assert migration.reasons == ("the undo of item[item-1] would be lost: version 2 would not undo it",)


def test_an_item_that_cannot_be_read_any_more_lets_its_instance_drain() -> None:
    items = each("item", can_be_undone=True)
    story = given(saga(items, compensatable("b")), Begun(coins=1))
    unread = structs.replace(story.instance, lists={"item": {"item[item-0]": "7"}})
    migration = plan_migration(story.saga, version(items, compensatable("b")), unread)

    assert migration.fate is Disposition.DRAINS
    assert migration.reasons == ("the recorded item of item[item-0] does not fit any more: 1 error",)


def test_a_wait_whose_key_cannot_be_made_any_more_drains() -> None:
    def raises(data: Data) -> str:
        raise KeyError(data.key)

    story = given(saga(receive("approval", Happened, key=happened_key), compensatable("a")), Begun())
    migration = judged(story, receive("approval", Happened, key=happened_key, expects=raises), compensatable("a"))
    assert migration.fate is Disposition.DRAINS


class Other(Happened):
    message_type = "made.other.v1"


def test_a_wait_for_another_event_drains() -> None:
    story = given(saga(receive("approval", Happened, key=happened_key), compensatable("a")), Begun())
    migration = judged(story, receive("approval", Other, key=happened_key), compensatable("a"))
    assert migration.reasons == (
        "it waits in approval, and its event has changed from made.happened.v1 to made.other.v1",
    )


def test_an_alternative_that_is_being_undone_is_undone_before_it_moves() -> None:
    tried = alternatives(series(compensatable("x"), compensatable("w")), compensatable("y"), name="either")
    story = given(saga(tried, compensatable("z")), Begun()).replies("x", Did()).fails("w", code="no").undoes("x")

    migration = judged(story, compensatable("x"), compensatable("w"), compensatable("z"))
    assert migration.fate is Disposition.DRAINS
    assert migration.reasons[0] == "it undoes an alternative of either, which is not in version 2"
    assert judged(story, tried, compensatable("z"), safe("look")).fate is Disposition.MOVES
