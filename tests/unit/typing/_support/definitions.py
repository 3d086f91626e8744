"""The definition language as the type checker sees it. Checked and never run: each `type: ignore` marks a mistake.

A mistake that the checker does not see makes its mark superfluous, which is an error of its own.
"""

from datetime import timedelta
from typing import assert_type

from saga_coordinator.contracts import Done, Event
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.contracts.messages.orders import OrderCancelled, OrderPlaced
from saga_coordinator.contracts.messages.payments import CardCharged, ChargeCard
from saga_coordinator.sagas import Saga, branch, parallel, pivot, step
from saga_coordinator.sagas.catalog.order_fulfilment import (
    OrderData,
    begin,
    card_charged,
    charge_card,
    is_large,
    order_confirmed,
    order_fulfilment,
    order_id,
    order_rejected,
    refund_card,
    release_stock,
    reserve_stock,
    ship_order,
    stock_reserved,
)
from saga_coordinator.sagas.language.nodes import Branch, Parallel, Step
from saga_coordinator.sagas.machine import Decision, Instance, Start
from saga_coordinator.sagas.machine import transition as decide
from saga_coordinator.sagas.testing.scenario import Scenario, given
from saga_coordinator.sagas.testing.variants import scale_time
from tests.support.saga_kit import Begun, Data, makes

reserve = step("reserve-stock", reserve_stock, remember=stock_reserved, compensate=release_stock)
charge = step("charge-card", charge_card, remember=card_charged, compensate=refund_card)
ship = pivot("ship-order", ship_order)


def other_data(data: Data) -> ReserveStock:
    raise NotImplementedError(data)


def forgets_the_data(data: OrderData, reply: StockReserved) -> None:
    raise NotImplementedError(data, reply)


def no_command(data: OrderData) -> Done:
    raise NotImplementedError(data)


def no_answer(data: OrderData) -> str:
    raise NotImplementedError(data)


def no_event(data: OrderData) -> ReleaseStock:
    raise NotImplementedError(data)


def begin_of_another_event(event: OrderCancelled) -> OrderData:
    raise NotImplementedError(event)


def sound() -> None:
    assert_type(reserve, Step[OrderData])
    assert_type(parallel(reserve, charge), Parallel[OrderData])
    assert_type(branch(is_large, reserve, otherwise=(charge,)), Branch[OrderData])
    assert_type(order_fulfilment, Saga[OrderPlaced, OrderData])
    assert_type(scale_time(order_fulfilment, 60), Saga[OrderPlaced, OrderData])


def remembers(placed: OrderPlaced) -> None:
    step("a", reserve_stock, remember=card_charged, compensate=release_stock)  # type: ignore[misc]  # another command's reply
    step("a", reserve_stock, remember=forgets_the_data)  # type: ignore[misc]  # it must return the data
    pivot("a", charge_card, remember=stock_reserved)  # type: ignore[misc]  # another command's reply
    assert_type(given(order_fulfilment, placed).data, OrderData)


def sends() -> None:
    step("a", no_command)  # type: ignore[arg-type]  # a reply is no command
    step("a", reserve_stock, compensate=no_command)  # type: ignore[arg-type]  # nor is it a compensation
    step("a", reserve_stock, timeout=5)  # type: ignore[arg-type]  # five of what?
    pivot("a", ship_order, compensate=release_stock)  # type: ignore[call-arg]  # a pivot is not undone


def undoes_other_data() -> Step[OrderData]:
    return step("a", reserve_stock, compensate=makes(ReleaseStock))  # type: ignore[arg-type]  # it takes other data


def groups() -> None:
    parallel(reserve, step("b", other_data))  # type: ignore[misc]  # two sorts of data in one group
    branch(no_answer, reserve)  # type: ignore[arg-type]  # a predicate says yes or no
    branch(is_large, reserve, otherwise=(step("b", other_data),))  # type: ignore[misc]  # two sorts of data


def sagas() -> None:
    Saga(
        name="s",
        version=1,
        starts_on=OrderPlaced,
        correlate=order_id,
        begin=begin_of_another_event,  # type: ignore[arg-type]  # the saga starts on another event
        steps=(reserve, ship),
        on_completed=no_event,  # type: ignore[arg-type]  # an outcome is an event
        on_compensated=order_rejected,
    )
    Saga(
        name="s",
        version="1",  # type: ignore[arg-type]  # versions are numbered
        starts_on=OrderPlaced,
        correlate=order_id,
        begin=begin,
        steps=(reserve, ship),
        on_completed=order_confirmed,
        on_compensated=order_rejected,
        deadline=timedelta(days=1),
    )


def transitions(instance: Instance[OrderData], others: Instance[Data], start: Start) -> None:
    assert_type(decide(order_fulfilment, instance, start), Decision[OrderData])
    decide(order_fulfilment, others, start)  # type: ignore[misc]  # an instance of another saga


def scenarios(placed: OrderPlaced, begun: Begun) -> None:
    story = given(order_fulfilment, placed)
    assert_type(story, Scenario[OrderData])
    assert_type(story.command(ChargeCard), ChargeCard)
    given(order_fulfilment, begun)  # type: ignore[misc]  # the saga starts on another event
    story.replies("a", placed)  # type: ignore[arg-type]  # an event is no reply
    story.passes(5)  # type: ignore[arg-type]  # five of what?
    story.expects(CardCharged(charge_id="c"))  # type: ignore[arg-type]  # a reply is not sent


def is_event(event: Event) -> None:
    given(order_fulfilment, event)  # type: ignore[misc]  # any event will not do
