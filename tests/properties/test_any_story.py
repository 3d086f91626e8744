"""Whatever the network, the participants, the clock and the people do, the invariants hold and the instance ends."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import event, given, note
from hypothesis import strategies as st

from contracts import Event
from contracts.orders import Address, Line, OrderPlaced
from sagas.machine import Direction, Saga, freeze, thaw, transition
from sagas.machine.diagram import mermaid
from sagas.order_fulfilment import order_fulfilment
from tests.machine.made import Begun, Data
from tests.properties.checks import AT_THE_END, Witness
from tests.properties.generated import sound_sagas
from tests.properties.profile import thorough
from tests.properties.world import Act, World

USUAL = [Act.HANDLE] * 4 + [Act.ANSWER] * 4 + [Act.ALARM] * 2 + list(Act)

act = st.tuples(st.sampled_from(USUAL), st.integers(0, 11))
acts = st.integers(0, 80).flatmap(lambda count: st.lists(act, min_size=count, max_size=count))
refusals = st.frozensets(st.sampled_from(Direction))

Acts = Sequence[tuple[Act, int]]


def order(total: int) -> OrderPlaced:
    return OrderPlaced(
        order_id="o-1",
        customer_id="c-1",
        currency="EUR",
        total=Decimal(total),
        lines=(Line(sku="s-1", quantity=1, unit_price=Decimal(total)),),
        ship_to=Address(street="Main Street 1", city="Springfield", postcode="12345", country="DE"),
    )


@thorough
@given(st.sampled_from([10, 5000]), acts, refusals, st.booleans())
def test_an_order_ends_well_whatever_happens(
    total: int, story: Acts, refusing: frozenset[Direction], refusing_after_pivot: bool
) -> None:
    live(World(order_fulfilment, order(total), refusing, refusing_after_pivot), story)


@thorough
@given(sound_sagas(), st.integers(0, 2**12 - 1), acts, refusals, st.booleans())
def test_any_sound_saga_ends_well_whatever_happens(
    saga: Saga[Begun, Data], coins: int, story: Acts, refusing: frozenset[Direction], refusing_after_pivot: bool
) -> None:
    note(mermaid(saga))
    live(World(saga, Begun(coins=coins), refusing, refusing_after_pivot), story)


@thorough
@given(sound_sagas(), st.integers(0, 2**12 - 1), acts, refusals)
def test_i3_the_history_replays_to_the_same_state_also_when_it_is_frozen_in_between(
    saga: Saga[Begun, Data], coins: int, story: Acts, refusing: frozenset[Direction]
) -> None:
    replay(World(saga, Begun(coins=coins), refusing), story)


@thorough
@given(st.sampled_from([10, 5000]), acts, refusals)
def test_i3_the_history_of_an_order_replays_too(total: int, story: Acts, refusing: frozenset[Direction]) -> None:
    replay(World(order_fulfilment, order(total), refusing), story)


def live(world: World, story: Acts) -> None:
    """Live through a story, then let all be well, and check every turn and the end."""
    witness = Witness(world)
    witness.see(world.start())
    for act, chance in story:
        turned = world.act(act, chance)
        if turned is not None:
            note(f"{act.name} {turned.signal} -> {turned.decision.ignored or turned.decision.commands}")
            witness.see(turned)
    for turned in world.heal():
        witness.see(turned)
    event(f"ends {world.instance.status}")
    at_the_end(witness)
    for turned in world.haunt():
        witness.see(turned)
    at_the_end(witness)


def at_the_end(witness: Witness) -> None:
    for check in AT_THE_END:
        check(witness)


def replay(world: World, story: Acts) -> None:
    """Live through a story, then decide it all again from the signals, once whole and once frozen between any two."""
    world.start()
    for act, chance in story:
        world.act(act, chance)
    replayed: Any = None
    thawed: Any = None
    for turned in world.turns:
        replayed = transition(world.saga, replayed, turned.signal).instance
        again = transition(world.saga, thawed, turned.signal)
        assert again == turned.decision
        assert replayed == turned.after
        frozen = freeze(again.instance)
        thawed = thaw(world.saga, again.instance.id, again.instance.key, frozen)
        assert thawed == again.instance
        assert freeze(thawed) == frozen == freeze(turned.after)
