"""Lists, events, times, alternatives and children as the type checker sees them. Checked and never run.

Each `type: ignore` marks a mistake; one that the checker does not see makes its mark superfluous.
"""

from datetime import datetime, timedelta
from typing import assert_type

from saga_coordinator.contracts import Command, Failure
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.contracts.messages.orders import Line, OrderCancelled, OrderConfirmed, OrderPlaced
from saga_coordinator.contracts.messages.payments import CardCharged
from saga_coordinator.sagas import Cause, Retry, Saga, alternatives, delay, for_each, parallel, receive, series, step
from saga_coordinator.sagas.catalog.order_fulfilment import (
    OrderData,
    begin,
    order_id,
    release_stock,
    reserve_stock,
    ship_order,
    stock_reserved,
)
from saga_coordinator.sagas.language.nodes import Alternatives, Delay, ForEach, Receive, Series, Step
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import Data
from tests.unit.typing._support.definitions import charge, no_answer, no_event, other_data, reserve, ship


class Ship(Command[StockReserved]):
    """A command that a child saga carries out."""

    order_id: str


def lines_of(data: OrderData) -> tuple[Line, ...]:
    return data.lines


def line_key(line: Line) -> str:
    return line.sku


def line_number(line: Line) -> int:
    return line.quantity


def reserve_line(data: OrderData, line: Line) -> ReserveStock:
    return ReserveStock(order_id=data.order_id, lines=(line,))


def reserve_name(data: OrderData, line: str) -> ReserveStock:
    raise NotImplementedError(data, line)


def release_line(data: OrderData, line: Line) -> ReleaseStock:
    raise NotImplementedError(data, line)


def line_reserved(data: OrderData, line: Line, reply: StockReserved) -> OrderData:
    raise NotImplementedError(data, line, reply)


def line_charged(data: OrderData, line: Line, reply: CardCharged) -> OrderData:
    raise NotImplementedError(data, line, reply)


def confirmed(data: OrderData, event: OrderConfirmed) -> OrderData:
    raise NotImplementedError(data, event)


def cancelled(data: OrderData, event: OrderCancelled) -> OrderData:
    raise NotImplementedError(data, event)


def confirmed_key(event: OrderConfirmed) -> str:
    return event.order_id


def confirmed_number(event: OrderConfirmed) -> int:
    return len(event.tracking)


def data_key(data: OrderData) -> str:
    return data.order_id


def length_of_the_order(data: OrderData) -> timedelta:
    return timedelta(minutes=len(data.lines))


def count_of(data: OrderData) -> int:
    return len(data.lines)


def length_of_others(data: Data) -> timedelta:
    return timedelta(minutes=data.coins)


def moment(data: OrderData) -> datetime:
    raise NotImplementedError(data)


def ship_key(command: Ship) -> str:
    return command.order_id


def begin_to_ship(command: Ship) -> OrderData:
    raise NotImplementedError(command)


def reserved(data: OrderData) -> StockReserved:
    raise NotImplementedError(data)


def charged(data: OrderData) -> CardCharged:
    raise NotImplementedError(data)


def declined(data: OrderData, cause: Cause) -> Failure:
    raise NotImplementedError(data, cause)


def lists() -> None:
    each = for_each("a", lines_of, reserve_line, key=line_key, remember=line_reserved, compensate=release_line, limit=2)
    assert_type(each, ForEach[OrderData])
    for_each("a", lines_of, reserve_line, key=line_key, remember=line_charged)  # type: ignore[misc]  # another command's reply
    for_each("a", lines_of, reserve_line, key=line_key, remember=stock_reserved)  # type: ignore[arg-type]  # it takes no item
    for_each("a", lines_of, reserve_name, key=line_key)  # type: ignore[misc]  # items of another type
    for_each("a", lines_of, reserve_stock, key=line_key)  # type: ignore[arg-type]  # it takes no item
    for_each("a", lines_of, reserve_line, key=line_number)  # type: ignore[arg-type]  # a key is text
    for_each("a", count_of, reserve_line, key=line_key)  # type: ignore[arg-type]  # a number is no list
    for_each("a", lines_of, reserve_line, key=line_key, compensate=release_stock)  # type: ignore[arg-type]  # it takes no item
    for_each("a", lines_of, reserve_line, key=line_key, limit="two")  # type: ignore[arg-type]  # a limit is a number


def events() -> None:
    waits: Receive[OrderData] = receive("a", OrderConfirmed, key=confirmed_key)
    parallel(reserve, waits)
    whole = receive("a", OrderConfirmed, key=confirmed_key, expects=data_key, remember=confirmed)
    assert_type(whole, Receive[OrderData])
    receive("a", OrderConfirmed, key=confirmed_key, remember=cancelled)  # type: ignore[arg-type]  # another event
    receive("a", OrderConfirmed, key=confirmed_number, remember=confirmed)  # type: ignore[arg-type]  # a key is text
    receive("a", OrderConfirmed, key=order_id, remember=confirmed)  # type: ignore[arg-type]  # the key of another event
    receive("a", OrderConfirmed, key=confirmed_key, expects=count_of)  # type: ignore[arg-type]  # a key is text
    receive("a", OrderConfirmed, key=confirmed_key, remember=confirmed, buffer_for=5)  # type: ignore[arg-type]  # five of what?


def receives_a_reply() -> Receive[OrderData]:
    return receive("a", StockReserved, key=no_answer)  # type: ignore[type-var,arg-type]  # a reply is no event


def times() -> None:
    assert_type(delay("a", length_of_the_order), Delay[OrderData])
    assert_type(delay("a", until=moment), Delay[OrderData])
    delay("a", 5)  # type: ignore[arg-type]  # five of what?
    delay("a", count_of)  # type: ignore[arg-type]  # five of what?
    delay("a", until=length_of_the_order)  # type: ignore[arg-type]  # a length is no moment
    step("a", reserve_stock, timeout=moment)  # type: ignore[arg-type]  # a moment is no length
    step("a", reserve_stock, retry=Retry(total=60))  # type: ignore[arg-type]  # sixty of what?


def waits_for_other_data() -> Step[OrderData]:
    return step("a", reserve_stock, timeout=length_of_others)  # type: ignore[arg-type]  # a length from other data


def delays_by_other_data() -> Delay[OrderData]:
    return delay("a", length_of_others)  # type: ignore[arg-type]  # a length from other data


def choices() -> None:
    assert_type(alternatives(reserve, series(charge, ship)), Alternatives[OrderData])
    assert_type(series(reserve, charge), Series[OrderData])
    alternatives(reserve, step("b", other_data))  # type: ignore[misc]  # two sorts of data
    series(reserve, step("b", other_data))  # type: ignore[misc]  # two sorts of data
    alternatives(reserve, ship_order)  # type: ignore[arg-type]  # a function is no node


def children(wrong: OrderPlaced) -> None:
    child = Saga(
        name="s",
        version=1,
        starts_on=Ship,
        correlate=ship_key,
        begin=begin_to_ship,
        steps=(reserve, ship),
        on_completed=reserved,
        on_compensated=declined,
    )
    assert_type(child, Saga[Ship, OrderData])
    given(child, Ship(order_id="o-1"))
    given(child, wrong)  # type: ignore[misc]  # it starts on a command
    Saga(
        name="s",
        version=1,
        starts_on=Ship,
        correlate=ship_key,
        begin=begin,  # type: ignore[arg-type]  # it starts on a command
        steps=(reserve, ship),
        on_completed=no_event,  # type: ignore[arg-type]  # a command is no outcome
        on_compensated=charged,  # type: ignore[arg-type]  # it takes a cause, and makes a failure
        cancel_on=Ship,  # type: ignore[arg-type]  # a command is no event
        deadline=length_of_the_order,  # type: ignore[arg-type]  # a length is no moment
    )
