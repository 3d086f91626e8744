"""Ids are UUIDv5 as the standard library makes them, of the names that the conversation fixes (I5, I6)."""

from uuid import NAMESPACE_URL, UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.sagas.machine import Direction, command_id, instance_id, outcome_id

texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
def test_an_instance_has_the_uuid5_of_its_saga_and_key(saga: str, key: str) -> None:
    assert instance_id(saga, key) == str(uuid5(NAMESPACE_URL, f"saga:{saga}/{key}"))


@given(st.uuids(), texts, st.sampled_from(Direction), st.integers(1))
def test_a_command_has_the_uuid5_of_its_step_direction_and_attempt(
    instance: UUID, step: str, direction: Direction, attempt: int
) -> None:
    assert command_id(str(instance), step, direction, attempt) == str(uuid5(instance, f"{step}/{direction}/{attempt}"))


@given(st.uuids())
def test_an_outcome_has_the_uuid5_of_its_instance(instance: UUID) -> None:
    assert outcome_id(str(instance)) == str(uuid5(instance, "outcome"))


def test_an_id_never_changes_its_spelling() -> None:
    instance = instance_id("order-fulfilment", "o-1")

    assert instance == "777cac12-77d7-54b5-8096-f70442425446"
    assert command_id(instance, "charge-card", "forward", 1) == "ed039153-5e7a-5cac-be05-9606890842e4"
