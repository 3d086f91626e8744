"""A saga with one `for_each`, of as many items as it is given: the benchmark's measure for long lists."""

from pydantic import BaseModel, ConfigDict

from saga_coordinator.contracts import Command, Done, Event
from saga_coordinator.sagas import Cause, Saga, for_each, pivot


class ListMade(Event):
    """Somebody wants so many items."""

    message_type = "bench.list-made.v1"
    topic = "bench.events.v1"

    key: str
    items: tuple[str, ...]


class ListDone(Event):
    """All items are there."""

    message_type = "bench.list-done.v1"

    key: str


class ListUndone(Event):
    """No item is there."""

    message_type = "bench.list-undone.v1"

    key: str
    code: str


class TakeItem(Command[Done]):
    """Take one item."""

    message_type = "bench.take-item.v1"
    topic = "bench.commands.v1"

    item: str


class PutItemBack(Command[Done]):
    """Put one item back."""

    message_type = "bench.put-item-back.v1"
    topic = "bench.commands.v1"

    item: str


class SendList(Command[Done]):
    """Send all items off."""

    message_type = "bench.send-list.v1"
    topic = "bench.commands.v1"

    key: str


class ListData(BaseModel):
    """What a list's instance remembers."""

    model_config = ConfigDict(frozen=True)

    key: str
    items: tuple[str, ...]


def _key(event: ListMade) -> str:
    return event.key


def _begin(event: ListMade) -> ListData:
    return ListData(key=event.key, items=event.items)


def _items(data: ListData) -> tuple[str, ...]:
    return data.items


def _key_of_item(item: str) -> str:
    return item


def _take_item(_: ListData, item: str) -> TakeItem:
    return TakeItem(item=item)


def _put_item_back(_: ListData, item: str) -> PutItemBack:
    return PutItemBack(item=item)


def _send_list(data: ListData) -> SendList:
    return SendList(key=data.key)


def _list_done(data: ListData) -> ListDone:
    return ListDone(key=data.key)


def _list_undone(data: ListData, cause: Cause) -> ListUndone:
    return ListUndone(key=data.key, code=cause.code)


many_items = Saga(
    name="many-items",
    version=1,
    starts_on=ListMade,
    correlate=_key,
    begin=_begin,
    steps=(
        for_each("take-item", _items, _take_item, key=_key_of_item, compensate=_put_item_back),
        pivot("send-list", _send_list),
    ),
    on_completed=_list_done,
    on_compensated=_list_undone,
)
