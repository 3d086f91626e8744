"""A counterexample is written as a test that fails when it is run."""

import pytest
from pydantic import ValidationError

from saga_coordinator.sagas.testing.explorer.explore import explore
from saga_coordinator.sagas.testing.explorer.script import SagaLocation, place_of, script
from tests.meta.proof._support.driver import what_comes_of
from tests.unit.testing._support import sample_sagas, unguarded

WRITTEN = '''\
from datetime import timedelta

from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import Begun
from tests.unit.testing._support.unguarded import unguarded


def test_the_definition_never_raises() -> None:
    """Step charge: compensate refund raises ValidationError: 1 validation error for Refund."""
    (
        given(unguarded, Begun())
        .expects("charge")
        .passes(timedelta(minutes=5))
    )
'''


def test_a_compensation_that_takes_an_answer_for_granted_is_found_with_the_shortest_story() -> None:
    found = explore(unguarded.unguarded)

    text = script(
        found.counterexamples[0],
        unguarded.unguarded,
        SagaLocation("tests.unit.testing._support.unguarded", "unguarded"),
    )

    assert text == WRITTEN
    assert what_comes_of(text) == ValidationError.__name__


def test_a_saga_is_named_as_the_first_module_names_it_that_has_it() -> None:
    assert place_of(sample_sagas.group, unguarded, sample_sagas) == SagaLocation(
        "tests.unit.testing._support.sample_sagas", "group"
    )


def test_a_saga_that_no_module_names_is_named_after_itself() -> None:
    assert place_of(sample_sagas.group) == SagaLocation("tests.support.saga_kit", "made")


@pytest.mark.parametrize("depth", [0, 1])
def test_a_sound_saga_has_no_script(depth: int) -> None:
    assert explore(sample_sagas.two_steps, depth=depth).counterexamples == []
