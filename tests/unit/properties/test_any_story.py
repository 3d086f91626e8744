"""Whatever the network, the participants, the clock and the people do, the invariants hold and the instance ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import event, given, note
from hypothesis import strategies as st

from saga_coordinator.contracts.messages.orders import Address, Line, OrderPlaced
from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Block, RetryStep, freeze, thaw, transition
from saga_coordinator.sagas.testing.invariants.check import violations
from saga_coordinator.sagas.testing.invariants.observation import Observation
from tests.support.saga_kit import Begun, Data, Listed
from tests.unit.properties._support.acts import Act
from tests.unit.properties._support.effects import an_effect_stands_at_most_once, the_effects_fit_the_end
from tests.unit.properties._support.generated import sound_sagas
from tests.unit.properties._support.participants import Place
from tests.unit.properties._support.profile import thorough
from tests.unit.properties._support.world import World

RARE = {Act.CANCEL, Act.OBSTRUCT, Act.RETRY, Act.SKIP, Act.RESOLVE}
COMMON = [Act.ADVANCE] * 14 + [Act.TIMER] * 4 + [Act.EVENT] * 2 + [act for act in Act if act not in RARE]


@dataclass(frozen=True, slots=True)
class Story:
    """For `well` turns nothing goes wrong, then whatever `acts` say; participants may be unwilling in these places.

    `is_eventful`: in the end the events come that are awaited.
    """

    well: int
    acts: tuple[tuple[Act, int], ...]
    unwilling: frozenset[Place]
    is_eventful: bool


@st.composite
def stories(draw: st.DrawFn) -> Story:
    kinds = [*COMMON, Act.CANCEL, Act.CANCEL, Act.CANCEL] if draw(st.booleans()) else list(COMMON)
    kinds += [Act.OBSTRUCT, *[Act.RETRY, Act.SKIP] * 2, Act.RESOLVE] if draw(st.booleans()) else []
    choices = st.sampled_from(kinds)
    count = draw(st.integers(0, 60))
    acts = draw(st.lists(st.tuples(choices, st.integers(0, 11)), min_size=count, max_size=count))
    unwilling = frozenset(place for place in Place if draw(st.booleans()))
    return Story(draw(st.integers(0, 4)), tuple(acts), unwilling, draw(st.booleans()))


def order(total: int) -> OrderPlaced:
    return OrderPlaced(
        order_id="o-1",
        customer_id="c-1",
        currency="EUR",
        total=Decimal(total),
        lines=(Line(sku="s-1", quantity=1, unit_price=Decimal(total)),),
        ship_to=Address(street="Main Street 1", city="Springfield", postcode="12345", country="DE"),
    )


orders = st.builds(order, st.sampled_from([10, 5000]))
events = st.builds(Listed, coins=st.integers(0, 2**12 - 1), items=st.sampled_from([(), ("x",), ("x", "y", "z")]))


@thorough
@given(orders, stories())
def test_an_order_ends_well_whatever_happens(placed: OrderPlaced, story: Story) -> None:
    live(World(order_fulfilment, placed, story.unwilling, story.is_eventful), story)


@thorough
@given(sound_sagas(), events, stories())
def test_any_sound_saga_ends_well_whatever_happens(saga: Saga[Begun, Data], begun: Begun, story: Story) -> None:
    live(World(saga, begun, story.unwilling, story.is_eventful), story)


@thorough
@given(orders, stories())
def test_i3_the_history_of_an_order_replays_to_the_same_state(placed: OrderPlaced, story: Story) -> None:
    replay(World(order_fulfilment, placed, story.unwilling, story.is_eventful), story)


@thorough
@given(sound_sagas(), events, stories())
def test_i3_the_history_of_any_saga_replays_to_the_same_state(
    saga: Saga[Begun, Data], begun: Begun, story: Story
) -> None:
    replay(World(saga, begun, story.unwilling, story.is_eventful), story)


def live(world: World, story: Story) -> None:
    """Live through a story, then end all faults, and check every transition and the end."""
    for seen in observations(world, story):
        check_transition(world, seen)
        if seen.decision.ignored is None:
            for offered in world.offer():
                check_transition(world, offered)
    event(f"ends {world.instance.status}")
    the_effects_fit_the_end(world)
    for seen in world.haunt():
        check_transition(world, seen)
    the_effects_fit_the_end(world)


def check_transition(world: World, seen: Observation) -> None:
    assert list(violations(seen)) == []
    a_copy_of_the_signal_changes_nothing_i10(seen)
    an_effect_stands_at_most_once(world)


def a_copy_of_the_signal_changes_nothing_i10(seen: Observation) -> None:
    """A second copy of any signal is ignored, except that an operator may retry twice."""
    if isinstance(seen.signal, RetryStep | Block):
        return
    again = transition(seen.after.saga, seen.after.instance, seen.signal)
    assert again.ignored, f"a copy of {seen.signal} changes something"
    assert again.reason
    assert again.instance is seen.after.instance
    assert (again.commands, again.outcome) == ((), None)


def observations(world: World, story: Story) -> Iterator[Observation]:
    """Yield the transitions of a story, and then of its end without faults."""
    yield world.start()
    yield from world.go_well(story.well)
    for act, chance in story.acts:
        happened = world.act(act, chance)
        if happened is not None:
            note(f"{act.name}: {happened.signal} -> {happened.decision.ignored or happened.decision.commands}")
            yield happened
    yield from world.heal()


def replay(world: World, story: Story) -> None:
    """Live through a story, then decide it all again from the signals, once whole and once frozen between any two."""
    for seen in observations(world, story):
        if seen.decision.ignored is None:
            list(world.offer())
    replay: Any = None
    thawed: Any = None
    for seen in world.seen:
        replay = transition(world.saga, replay, seen.signal).instance
        again = transition(world.saga, thawed, seen.signal)
        assert again == seen.decision
        assert replay == seen.after.instance
        frozen = freeze(again.instance)
        thawed = thaw(world.saga, again.instance.id, again.instance.key, frozen)
        assert thawed == again.instance
        assert freeze(thawed) == frozen == freeze(seen.after.instance)
