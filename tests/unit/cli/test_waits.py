"""What an instance waits for besides replies: an event, a time; in `saga ls`, `saga show` and `saga why`."""

from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.contracts import Done
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import run_stories
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import Log
from tests.unit.handlers._support.trips import HoldRoom, TripAsked, catalog


@pytest.fixture(autouse=True)
def _trips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_CATALOG", "tests.unit.handlers._support.trips:catalog")


async def cooling_off(it: Coordinator, log: Log) -> None:
    """The room is held; the trip waits."""
    await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
    await it.take(log.says(it.sent(HoldRoom.message_type, "t-1")[0], Done()))


async def awaiting_approval(it: Coordinator, log: Log) -> None:
    """Two days have passed."""
    await cooling_off(it, log)
    it.clock.pass_by(timedelta(days=2))
    await it.fire_due()


def test_a_delay_is_shown_with_its_end(saga: Saga, store: Path) -> None:
    run_stories(store, cooling_off, sagas=catalog)

    listed = saga.does("ls").out
    assert "cool-off for 1 d" in listed or "cool-off for 2 d" in listed
    assert "The delay cool-off began" in saga.does("why", "t-1").out
    (waiting,) = saga.does("ls", "--json").json["instances"][0]["waits_until"]
    assert (waiting["name"], waiting["kind"]) == ("cool-off", "time")
    shown = saga.does("show", "t-1").out
    assert "running until" in shown
    assert "not reached" in shown


def test_a_receive_is_shown_with_what_happens_without_its_event(saga: Saga, store: Path) -> None:
    run_stories(store, awaiting_approval, ago=timedelta(days=2), sagas=catalog)

    assert "event approval" in saga.does("ls").out
    shown = saga.does("why", "t-1").out
    assert "It has waited for the event trips.approved.v1 (approval) since" in shown
    assert "the instance is compensated, undoing hold-room" in shown
    waits = saga.does("show", "t-1", "--json").json["waits"]
    assert (waits["cool-off"]["progress"], waits["approval"]["progress"]) == ("done", "asked")
