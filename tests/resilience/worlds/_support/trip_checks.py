"""What must hold of the trips of a simulated world, and of the child sagas that book their hotels."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from saga_coordinator.sagas.machine import instance_id, outcome_id
from tests.resilience.worlds._support.database import Row
from tests.resilience.worlds._support.world import World


def every_trip_ends_once_i1_i5(world: World) -> None:
    assert sorted(row.key for _, row in of(world, "trip")) == sorted(world.travellers.trips)
    outcomes = defaultdict(set)
    for (topic, _), log in world.broker.logs.items():
        for record in log if topic == "saga.trip.outcomes.v1" else ():
            outcomes[(record.key or b"").decode()].add((dict(record.headers)["ce_id"], record.value))
    assert {trip: len(found) for trip, found in outcomes.items()} == dict.fromkeys(world.travellers.trips, 1)


def a_trip_has_its_ticket_and_its_hotel_or_neither_i8_i15(world: World) -> None:
    for _, row in of(world, "trip"):
        booked = [id_ for id_, child in children(world, row.key) if status(child) == "completed"]
        standing = [id_ for id_ in booked if id_ not in world.participants.undone]
        due = 1 if status(row) == "completed" else 0
        assert len(standing) == due, f"{row.key} is {status(row)}: {len(standing)} hotels are booked"
        net = world.participants.net(row.key)
        assert net == Counter({"send-ticket": due, "hold-room": len(booked)}), f"{row.key} is {status(row)}: {net}"


def a_trip_goes_on_only_when_both_events_have_come(world: World) -> None:
    for _, row in of(world, "trip"):
        words = json.loads(row.snapshot.data)["words"]
        assert status(row) != "completed" or words == ["boss", f"room for {row.key}"], f"{row.key}: {words}"


def every_copy_of_a_childs_command_that_comes_after_its_end_is_answered(world: World) -> None:
    replies = Counter(row.message_id for row in world.database.all_rows.values() if row.topic == "saga.replies.v1")
    for id_, _ in of(world, "hotel-booking"):
        kinds = [(entry.kind, json.loads(entry.decided)["status"]) for entry in world.database.history[id_]]
        over = next(number for number, (_, at) in enumerate(kinds) if at in {"completed", "compensated"})
        late = sum(kind == "start" for kind, _ in kinds[over + 1 :])
        sent = replies[outcome_id(id_)]
        assert sent == 1 + late, f"{id_}: {late} late copies of its command, and answered {sent} times"


def no_subscription_is_left_at_the_end(world: World) -> None:
    assert world.database.awaited == set()


def what_is_held_is_held_for_nobody_who_is_there(world: World) -> None:
    there = set(world.database.instances)
    orders = {instance_id("order-fulfilment", order) for order in world.shop.orders}
    assert [held.record.place for held in world.database.held if held.address in there & orders] == []


def of(world: World, saga: str) -> Iterator[tuple[str, Row]]:
    """The instances of one saga."""
    return ((id_, row) for id_, row in sorted(world.database.instances.items()) if row.saga == saga)


def children(world: World, trip: str) -> Iterator[tuple[str, Row]]:
    """The bookings of a trip, each with the id of the command that it carries out."""
    for id_, row in of(world, "hotel-booking"):
        if row.key == trip:
            yield world.database.history[id_][0].message_id or "", row


def status(row: Row) -> str:
    """How an instance stands."""
    return str(json.loads(row.snapshot.state)["status"])


CHECKS: Final[tuple[Callable[[World], None], ...]] = (
    every_trip_ends_once_i1_i5,
    a_trip_has_its_ticket_and_its_hotel_or_neither_i8_i15,
    a_trip_goes_on_only_when_both_events_have_come,
    every_copy_of_a_childs_command_that_comes_after_its_end_is_answered,
    no_subscription_is_left_at_the_end,
    what_is_held_is_held_for_nobody_who_is_there,
)
