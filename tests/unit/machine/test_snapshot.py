"""An instance survives being written as JSON: whatever happens to it next is the same (I3)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import pytest
from hypothesis.strategies import datetimes, integers, just, text
from msgspec import structs
from pydantic import ValidationError
from pydantic_core import to_json

from saga_coordinator.handlers.decode import describe_validation_error
from saga_coordinator.sagas.machine import (
    CommandState,
    Instance,
    Progress,
    Snapshot,
    Status,
    StepRun,
    freeze,
    thaw,
)
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import Begun, Data, Did, choice, compensatable, point_of_no_return, saga
from tests.unit.machine.test_every_signal_in_every_status import LONG, SITUATIONS


def thawed(instance: Instance[Data]) -> Instance[Data]:
    return thaw(LONG, instance.id, instance.key, freeze(instance))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_an_instance_in_any_situation_thaws_to_what_it_was(situation: str) -> None:
    instance = SITUATIONS[situation].instance

    assert thawed(instance) == instance
    assert freeze(thawed(instance)) == freeze(instance)


STORED = json.loads(Path(__file__).with_name("stored_instances.json").read_text("utf-8"))
"""Instances as version 0.1 has stored them."""


def before_sources_were_kept(instance: Instance[Data]) -> Instance[Data]:
    """The instance as version 0.1 knows it: who sent the events is not part of it."""
    return structs.replace(
        instance, waits={name: structs.replace(wait, event_source=None) for name, wait in instance.waits.items()}
    )


@pytest.mark.parametrize("situation", STORED)
def test_what_an_older_version_has_stored_is_read_and_written_as_it_was(situation: str) -> None:
    stored = STORED[situation]
    snapshot = Snapshot(json.dumps(stored["data"]), json.dumps(stored["state"]))
    expected = before_sources_were_kept(SITUATIONS[situation].instance)

    instance = thaw(LONG, stored["id"], "k-1", snapshot)

    assert instance == expected
    assert freeze(instance).state == json.dumps(stored["state"], separators=(",", ":"))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_snapshot_is_two_json_objects_that_hold_no_nothing(situation: str) -> None:
    snapshot = freeze(SITUATIONS[situation].instance)

    assert json.loads(snapshot.data)["key"] == "k-1"
    state = json.loads(snapshot.state)
    assert None not in state.values()


def test_a_cancelled_instance_keeps_its_cause_which_names_no_step() -> None:
    cause = thawed(given(LONG, Begun()).cancels("too late").instance).cause

    assert cause is not None
    assert (cause.step, cause.code, cause.message) == (None, "cancelled", "too late")


def test_the_choices_the_data_and_the_commands_of_an_instance_survive() -> None:
    """Without its choice the branch would be decided again, and differently."""
    fork = saga(choice("heads", 0, compensatable("a"), compensatable("b")), point_of_no_return())
    begun = given(fork, Begun(coins=1)).replies("a", Did(word="noted"))

    again = replace(begun, instance=thaw(fork, begun.instance.id, "k-1", freeze(begun.instance)))

    assert again.data.seen == ("a:noted",)
    again.fails("b", code="no").undoes("a").undone("a").ends(Status.COMPENSATED)


@hypothesis.given(payload=text(), at=datetimes(timezones=just(UTC)), number=integers(0, 2**31))
def test_a_state_is_written_byte_for_byte_as_by_earlier_versions_i3(payload: str, at: datetime, number: int) -> None:
    """They wrote it by pydantic."""
    waiting = CommandState(Progress.WAITING, number, number, payload, at, payload=payload)
    instance = structs.replace(SITUATIONS["running"].instance, steps={payload: StepRun(waiting)}, started_at=at)
    forward = {"progress": "waiting", "attempt": number, "sendings": number, "command_id": payload, "asked_at": at}
    before = {"status": "running", "steps": {payload: {"forward": forward | {"payload": payload}}}, "choices": {}}

    assert freeze(instance).state == to_json(before | {"started_at": at, "deadline_at": instance.deadline_at}).decode()


STATE = freeze(SITUATIONS["running"].instance).state


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("", "its stored state: the value: Input data was truncated"),
        ("{}", "its stored state: the value: Object missing required field `status`"),
        (STATE.replace('"running"', '"odd"'), "its stored state: status: Invalid enum value 'odd'"),
        (STATE.replace('"attempt":1', '"attempt":"1"'), "steps[...].forward.attempt: Expected `int`, got `str`"),
    ],
)
def test_a_state_that_is_none_is_refused_with_what_is_wrong_and_where(state: str, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        thaw(LONG, "i-1", "k-1", Snapshot('{"key":"k-1"}', state))

    assert problem in describe_validation_error(refused.value)


def test_data_that_are_none_of_their_model_are_refused() -> None:
    with pytest.raises(ValidationError):
        thaw(LONG, "i-1", "k-1", Snapshot('{"key":1}', STATE))
