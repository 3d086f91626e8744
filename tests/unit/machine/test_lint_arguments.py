"""The linter on kinds of arguments: what authors without a type checker write."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saga_coordinator import sagas
from saga_coordinator.sagas import Retry, UnsoundSaga
from tests.support.saga_kit import Listed, Paid, Stopped, saga
from tests.unit.machine._support.unsound import (
    Settled,
    a,
    each,
    key_of,
    make,
    parcel,
    parcels,
    problems_of,
    problems_with,
    settled,
    ship,
    unmake,
)

untyped: Any = sagas
"""The author's door, as somebody sees it who runs no type checker."""

BOTH = Settled | Paid
UNCHANGED = saga(a)


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        (
            untyped.step("a", make, compensate=unmake, timeout=120),
            "step a has timeout=120, which is not a timedelta or a function: write timedelta(seconds=120)",
        ),
        (
            untyped.step("a", make, compensate=unmake, retry=3),
            "step a has retry=3, which is not a Retry or None: write Retry(attempts=3)",
        ),
        (
            untyped.step("a", make, compensate=unmake, compensate_retry=3),
            "step a has compensate_retry=3, which is not a Retry: write Retry(attempts=3)",
        ),
        (
            untyped.step("a", make, compensate=unmake, retry=untyped.Retry(first=5)),
            "step a: retry has first=5, which is not a timedelta: write timedelta(seconds=5)",
        ),
        (
            untyped.step("a", "make"),
            "step a has send='make', which is not a function: give it a function",
        ),
        (
            untyped.step(7, make),
            "step 7 has name=7, which is not a text: give it a text",
        ),
        (
            untyped.pivot("a", make, timeout=0.5),
            "step a has timeout=0.5, which is not a timedelta or a function: write timedelta(seconds=0.5)",
        ),
        (
            untyped.for_each("a", parcels, make, key=parcel, limit="2"),
            "for_each a has limit='2', which is not a whole number or None: give it a whole number",
        ),
        (
            untyped.delay("d", 60),
            "delay d has lasts=60, which is not a timedelta or a function or None: write timedelta(seconds=60)",
        ),
        (
            untyped.delay("d", until="noon"),
            "delay d has until='noon', which is not a function or None: give it a function",
        ),
        (
            untyped.receive("r", BOTH, key=key_of),
            f"receive r has event={BOTH}, which is not one class: give it one class",
        ),
        (
            untyped.receive("r", Settled(), key=key_of),
            "receive r has event=Settled(key='k-1'), which is not one class: give it the class itself, Settled",
        ),
        (
            untyped.receive("r", Settled, key=key_of, buffer_for=60),
            "receive r has buffer_for=60, which is not a timedelta: write timedelta(seconds=60)",
        ),
        (
            untyped.branch("large", ship),
            "branch ? has predicate='large', which is not a function: give it a function",
        ),
    ],
)
def test_a_node_whose_argument_is_of_another_kind_is_refused_with_the_remedy(
    node: Any,  # noqa: ANN401  a node that no type checker would accept
    problem: str,
) -> None:
    assert problems_of(node) == (problem,)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"deadline": 3600},
            "it has deadline=3600, which is not a timedelta or a function or None: write timedelta(seconds=3600)",
        ),
        (
            {"cancel_on": Stopped | Settled},
            f"it has cancel_on={Stopped | Settled}, which is not one class or None: give it one class",
        ),
        (
            {"starts_on": Listed | Settled},
            f"it has starts_on={Listed | Settled}, which is not one class: give it one class",
        ),
        ({"version": "1"}, "it has version='1', which is not a whole number: give it a whole number"),
        ({"correlate": "key"}, "it has correlate='key', which is not a function: give it a function"),
        ({"on_completed": None}, "it has on_completed=None, which is not a function: give it a function"),
    ],
)
def test_an_argument_of_a_saga_of_another_kind_is_refused_with_the_remedy(change: dict[str, Any], problem: str) -> None:
    assert problems_with(**change) == (problem,)


def test_arguments_of_the_right_kind_are_accepted() -> None:
    saga(replace(a, retry=Retry(attempts=2, factor=1)), settled, ship)
    saga(each(limit=2))


# --- where


def test_a_finding_begins_with_the_file_and_line_of_the_declaration() -> None:
    with pytest.raises(UnsoundSaga) as caught:
        replace(UNCHANGED, version=0)

    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = lines.index("        replace(UNCHANGED, version=0)") + 1
    assert re.fullmatch(rf"{re.escape(__file__)}:{line}: saga made: it has version 0: .*", str(caught.value))
