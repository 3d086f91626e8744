"""The linter on the tree of a definition: names, groups, and ways that can never be taken."""

from typing import Any

import pytest

from saga_coordinator.sagas import alternatives, branch, delay, parallel, receive, series
from saga_coordinator.sagas.language.nodes import Delay, Node, Parallel, Receive, Series
from tests.support.saga_kit import MINUTE, Data, choice, compensatable, saga
from tests.unit.machine._support.unsound import Settled, a, b, c, key_of, problems_of, problems_with, ship


def heads(data: Data) -> bool:
    return data.coins > 0


# --- the tree


def test_steps_that_are_no_tuple_are_refused() -> None:
    assert problems_with(steps=[a]) == (
        "its steps are no tuple of nodes, but list: write (node,), with a comma, even for one",
    )


def test_a_step_without_its_comma_is_refused() -> None:
    message = "are no tuple of nodes, but Step: write (node,), with a comma, even for one"

    assert problems_with(steps=a) == (f"its steps {message}",)
    assert problems_of(branch(heads, a, otherwise=b)) == (f"branch heads: otherwise {message}",)  # type: ignore[arg-type]  # that is the fault


@pytest.mark.parametrize("around", [parallel, series, lambda *nodes: parallel(b, series(c, *nodes))])
def test_what_is_no_node_is_refused(around: Any) -> None:  # noqa: ANN401  a word of the language
    assert problems_of(around(a, "ship-order")) == (
        "its steps hold 'ship-order', which is no node: write step(...), receive(...), parallel(...), ...",
    )


def test_what_is_no_node_is_refused_within_a_branch() -> None:
    assert problems_of(branch(heads, parallel(a, None))) == (  # type: ignore[arg-type]  # that is the fault
        "branch heads: its nodes hold None, which is no node: write step(...), receive(...), parallel(...), ...",
    )


# --- names


@pytest.mark.parametrize("name", ["Reserve", "reserve_stock", "-a", "a-", "1st", "", "a--b", "réserve", "a[b]"])
def test_a_name_that_is_not_kebab_case_is_refused(name: str) -> None:
    message = f"{name!r} is no name: write it in kebab-case, such as reserve-stock"

    assert problems_of(compensatable(name)) == (message,)
    assert problems_of(a, delay(name, MINUTE)) == (message,)
    assert problems_of(a, receive(name, Settled, key=key_of)) == (message,)
    assert problems_of(a, name=name) == (message,)


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        ((a, choice("heads", 0, b, otherwise=(a,))), "a"),
        ((choice("heads", 0, a), choice("heads", 1, b)), "heads"),
        ((delay("a", MINUTE), a), "a"),
        ((choice("a", 0, a),), "a"),
        ((alternatives(a, b), compensatable("a-or-b")), "a-or-b"),
        ((alternatives(a, b), alternatives(series(a, c), series(b, c), name="x")), "a"),
    ],
)
def test_a_name_that_stands_twice_is_refused(nodes: tuple[Node[Data], ...], name: str) -> None:
    assert f"{name} stands 2 times: give each step and each branch a name of its own" in problems_of(*nodes)


@pytest.mark.parametrize("name", ["<lambda>", " ", "?"])
def test_a_choice_that_has_no_name_to_be_recorded_under_is_refused(name: str) -> None:
    assert problems_of(choice(name, 0, a)) == (
        f"{name!r} is no name that a choice can be recorded under: give it one by name=, such as is-large",
    )


def test_alternatives_without_a_step_to_be_named_after_need_a_name() -> None:
    first: Receive[Data] = receive("first", Settled, key=key_of)
    second: Series[Data] = series(delay("calm", MINUTE), b)

    assert problems_of(alternatives(first, second)) == (
        "'?-or-b' is no name that a choice can be recorded under: give it one by name=, such as is-large",
    )
    saga(alternatives(first, second, name="either"))


def test_a_branch_is_named_after_its_predicate() -> None:
    assert branch(heads, a).name == "heads"
    assert branch(heads, a, name="large").name == "large"


def test_a_saga_without_a_step_is_refused() -> None:
    assert problems_of() == ("it has no step: a saga is a sequence of at least one",)


# --- groups


def test_a_group_of_fewer_than_two_is_refused() -> None:
    assert problems_of(parallel(a)) == ("a parallel group has fewer than two nodes: write its node alone",)
    assert problems_of(a, Parallel(())) == ("a parallel group has fewer than two nodes: write its node alone",)
    assert problems_of(parallel(a, series(b))) == ("a series has fewer than two nodes: write its node alone",)
    assert problems_of(alternatives(a, name="one")) == (
        "alternatives one has fewer than two nodes: write its node alone",
    )


def test_an_alternative_behind_one_that_cannot_fail_is_refused() -> None:
    message = "alternatives either: one that cannot fail stands before another, never tried: remove that"
    calm: Delay[Data] = delay("calm", MINUTE)

    assert problems_of(alternatives(calm, a, name="either")) == (message,)
    assert problems_of(alternatives(parallel(calm, delay("nap", MINUTE)), a, name="either")) == (message,)
    saga(alternatives(a, calm, name="either"))
    saga(alternatives(series(calm, a), b, name="either"))


# --- ways that can never be taken


def test_a_branch_with_nothing_to_do_is_refused() -> None:
    assert problems_of(choice("heads", 0, otherwise=(a,))) == (
        "branch heads has nothing to do when it holds: turn the predicate round, or remove the branch",
    )


@pytest.mark.parametrize(
    "around",
    [
        branch(heads, branch(heads, a, otherwise=(b,), name="again")),
        branch(heads, series(branch(heads, a, otherwise=(b,), name="again"), c)),
        branch(heads, parallel(c, branch(heads, a, otherwise=(b,), name="again"))),
        branch(heads, alternatives(branch(heads, a, otherwise=(b,), name="again"), c)),
        branch(heads, choice("tails", 1, branch(heads, a, otherwise=(b,), name="again"))),
    ],
)
def test_a_way_that_the_choice_just_before_rules_out_is_refused(around: Node[Data]) -> None:
    assert problems_of(around) == (
        "branch again asks what heads has just asked: its otherwise is never reached; remove it",
    )


def test_what_an_otherwise_rules_out_is_refused() -> None:
    assert problems_of(branch(heads, a, otherwise=(branch(heads, b, name="again"),))) == (
        "branch again asks what heads has just asked: what it does when it holds is never reached; remove it",
    )


def test_a_choice_may_be_asked_again_when_a_step_may_have_changed_the_data() -> None:
    saga(branch(heads, a, branch(heads, b, name="again")), ship)
