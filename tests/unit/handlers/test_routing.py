"""A catalog is refused where its sagas contradict each other, and says which topics the coordinator needs."""

from dataclasses import replace

import pytest

from saga_coordinator.contracts import Event
from saga_coordinator.handlers.names import Names
from saga_coordinator.handlers.routing import AnySaga, BadCatalog, Routes
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from tests.support import saga_kit


class AlsoBegun(Event):
    message_type = saga_kit.Begun.message_type
    topic = saga_kit.Begun.topic

    key: str


def also(event: AlsoBegun | saga_kit.Stopped) -> str:
    return event.key


def begin_also(event: AlsoBegun) -> saga_kit.Data:
    return saga_kit.Data(key=event.key, coins=0)


def test_the_topics_are_those_of_the_page() -> None:
    routes = Routes([order_fulfilment])
    assert routes.topics_in == {"orders.events.v1", "saga.replies.v1"}
    assert routes.topics_out == {
        "inventory.commands.v1",
        "payments.commands.v1",
        "reviews.commands.v1",
        "shipping.commands.v1",
        "notifications.commands.v1",
        "saga.order-fulfilment.outcomes.v1",
        "orders.events.v1-dlt",
        "saga.replies.v1-dlt",
    }


def test_the_topics_of_its_own_begin_with_the_name_of_the_coordinator() -> None:
    default, named = Routes([order_fulfilment]), Routes([order_fulfilment], names=Names("shop"))
    assert named.topics_in - default.topics_in == {"shop.replies.v1"}
    assert named.topics_out - default.topics_out == {"shop.order-fulfilment.outcomes.v1", "shop.replies.v1-dlt"}


def test_a_version_that_stands_twice_is_refused() -> None:
    with pytest.raises(BadCatalog, match="order-fulfilment version 1 stands twice"):
        Routes([order_fulfilment, order_fulfilment])


def test_events_start_the_newest_version_and_older_ones_are_still_known_i30() -> None:
    newer = replace(order_fulfilment, version=2)
    for catalog in ([order_fulfilment, newer], [newer, order_fulfilment]):
        routes = Routes(catalog)
        _, started = routes.events["orders.order-placed.v1"]
        assert [route.saga.version for route in started] == [2]
        assert routes.saga_of("order-fulfilment", 1) is order_fulfilment


def test_a_definition_that_is_missing_is_named_with_the_remedy_i30() -> None:
    with pytest.raises(BadCatalog, match="order-fulfilment version 3 is not in the catalog: add it again"):
        Routes([order_fulfilment]).saga_of("order-fulfilment", 3)


def test_an_event_type_with_two_models_is_refused() -> None:
    one: AnySaga = saga_kit.saga(saga_kit.safe("a"), name="one")
    other = replace(one, name="other", starts_on=AlsoBegun, correlate=also, begin=begin_also)
    with pytest.raises(BadCatalog, match=r"made\.begun\.v1 names two models"):
        Routes([one, other])
