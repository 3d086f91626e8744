"""Order fulfilment: reserve and charge, review large orders, ship, notify the customer."""

from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from saga_coordinator import Cause, Retry, Saga, branch, parallel, pivot, step
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.contracts.messages.notifications import NotifyCustomer
from saga_coordinator.contracts.messages.orders import (
    Address,
    Line,
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
)
from saga_coordinator.contracts.messages.payments import CardCharged, ChargeCard, RefundCard
from saga_coordinator.contracts.messages.reviews import ReviewFraud
from saga_coordinator.contracts.messages.shipping import OrderShipped, ShipOrder

LARGE = Decimal(1000)


class OrderData(BaseModel):
    """What an order's instance remembers."""

    model_config = ConfigDict(frozen=True)

    order_id: str
    customer_id: str
    currency: str
    total: Decimal
    lines: tuple[Line, ...]
    ship_to: Address
    reservation_id: str | None = None
    charge_id: str | None = None
    tracking: str | None = None


def order_id(event: OrderPlaced | OrderCancelled) -> str:
    return event.order_id


def begin(event: OrderPlaced) -> OrderData:
    return OrderData(
        order_id=event.order_id,
        customer_id=event.customer_id,
        currency=event.currency,
        total=event.total,
        lines=event.lines,
        ship_to=event.ship_to,
    )


def reserve_stock(data: OrderData) -> ReserveStock:
    return ReserveStock(order_id=data.order_id, lines=data.lines)


def stock_reserved(data: OrderData, reply: StockReserved) -> OrderData:
    return data.model_copy(update={"reservation_id": reply.reservation_id})


def release_stock(data: OrderData) -> ReleaseStock:
    return ReleaseStock(order_id=data.order_id, reservation_id=data.reservation_id)


def charge_card(data: OrderData) -> ChargeCard:
    return ChargeCard(order_id=data.order_id, customer_id=data.customer_id, amount=data.total, currency=data.currency)


def card_charged(data: OrderData, reply: CardCharged) -> OrderData:
    return data.model_copy(update={"charge_id": reply.charge_id})


def refund_card(data: OrderData) -> RefundCard:
    return RefundCard(order_id=data.order_id, charge_id=data.charge_id, amount=data.total, currency=data.currency)


def is_large(data: OrderData) -> bool:
    return data.total >= LARGE


def review_fraud(data: OrderData) -> ReviewFraud:
    return ReviewFraud(order_id=data.order_id, customer_id=data.customer_id, amount=data.total, currency=data.currency)


def ship_order(data: OrderData) -> ShipOrder:
    return ShipOrder(order_id=data.order_id, ship_to=data.ship_to, lines=data.lines)


def order_shipped(data: OrderData, reply: OrderShipped) -> OrderData:
    return data.model_copy(update={"tracking": reply.tracking})


def notify_customer(data: OrderData) -> NotifyCustomer:
    return NotifyCustomer(order_id=data.order_id, customer_id=data.customer_id, tracking=data.tracking or "")


def order_confirmed(data: OrderData) -> OrderConfirmed:
    return OrderConfirmed(order_id=data.order_id, tracking=data.tracking or "")


def order_rejected(data: OrderData, cause: Cause) -> OrderRejected:
    return OrderRejected(order_id=data.order_id, step=cause.step, code=cause.code, message=cause.message)


order_fulfilment = Saga(
    name="order-fulfilment",
    version=1,
    starts_on=OrderPlaced,
    correlate=order_id,
    begin=begin,
    deadline=timedelta(days=2),
    steps=(
        parallel(
            step(
                "reserve-stock",
                reserve_stock,
                remember=stock_reserved,
                compensate=release_stock,
                timeout=timedelta(minutes=5),
            ),
            step(
                "charge-card",
                charge_card,
                remember=card_charged,
                compensate=refund_card,
                timeout=timedelta(minutes=2),
                retry=Retry(attempts=4, first=timedelta(seconds=2), factor=2, cap=timedelta(minutes=1)),
            ),
        ),
        branch(is_large, step("review-fraud", review_fraud, timeout=timedelta(hours=24))),
        pivot("ship-order", ship_order, remember=order_shipped, timeout=timedelta(hours=6)),
        step(
            "notify-customer",
            notify_customer,
            retry=Retry(attempts=None, first=timedelta(seconds=1), factor=2, cap=timedelta(minutes=5)),
        ),
    ),
    on_completed=order_confirmed,
    on_compensated=order_rejected,
    cancel_on=OrderCancelled,
)
