"""An unsound saga is rejected when it is declared, with the error, its place and the remedy."""

from datetime import UTC, datetime, timedelta

from saga_coordinator.sagas import Retry, alternatives, delay, for_each, parallel, series
from tests.support.saga_kit import HOUR, MINUTE, Data, choice, command, makes, retriable, safe, saga
from tests.unit.machine._support.unsound import a, b, c, child, parcel, parcels, problems_of, settled, ship


def send(data: Data, item: str) -> None:
    raise NotImplementedError(data, item)


def tomorrow(data: Data) -> datetime:
    return datetime(2026, 1, 2, data.coins, tzinfo=UTC)


def some_minutes(data: Data) -> timedelta:
    return timedelta(minutes=data.coins)


def test_a_sound_saga_is_accepted() -> None:
    sound = saga(
        parallel(a, choice("heads", 0, b)),
        safe("look"),
        ship,
        retriable("z", retry=Retry(attempts=None)),
        deadline=HOUR,
    )
    assert list(sound.plan.steps) == ["a", "b", "look", "ship", "z"]
    assert sound.plan.data_type is Data


def test_a_saga_of_every_word_is_accepted() -> None:
    send.__annotations__["return"] = command("each")
    undo = makes(command("each", undo=True))
    undo.__annotations__ = {"data": Data, "item": str, "return": command("each", undo=True)}
    sound = saga(
        for_each("each", parcels, send, key=parcel, compensate=undo, limit=2),  # type: ignore[arg-type]  # annotated above
        alternatives(a, series(delay("calm", MINUTE), b), name="either"),
        delay("night", until=tomorrow),
        parallel(c, delay("nap", some_minutes)),
        settled,
        ship,
        delay("rest", timedelta(days=9)),
        deadline=timedelta(days=2),
    )
    assert list(sound.plan.steps) == ["each", "a", "b", "c", "ship"]
    assert [each.name for each in sound.plan.receives] == ["settled"]
    assert sound.plan.leaves_in("either", 1) == {"calm", "b"}


def test_a_child_is_accepted_and_needs_no_outcome_of_its_own_for_a_failure() -> None:
    assert child(a, ship).is_child


def test_all_problems_are_reported_at_once() -> None:
    assert len(problems_of(retriable("A"), a, a)) == 3
