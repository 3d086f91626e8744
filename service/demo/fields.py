"""What a field of a JSON message must look like, one named check each."""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Check: TypeAlias = Callable[[object], bool]

_MAX_LINES: Final = 500
_DECIMAL: Final = re.compile(r"\d+(\.\d+)?")


def a_text(value: object) -> bool:
    """A string that is not empty."""
    return isinstance(value, str) and value != ""


def text_or_null(value: object) -> bool:
    """A string that is not empty, or null where the sender never heard it."""
    return value is None or a_text(value)


def a_decimal(value: object) -> bool:
    """Money travels as a decimal string, like "49.99"."""
    return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None


def a_count(value: object) -> bool:
    """A whole number from 1 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def an_address(value: object) -> bool:
    """Where a parcel goes."""
    return not wrong_fields(value, {"street": a_text, "city": a_text, "postcode": a_text, "country": a_text})


def order_lines(value: object) -> bool:
    """What was ordered: 1 to 500 lines."""
    line = {"sku": a_text, "quantity": a_count, "unit_price": a_decimal}
    return (
        isinstance(value, list)
        and 1 <= len(value) <= _MAX_LINES
        and not any(wrong_fields(each, line) for each in value)
    )


def wrong_fields(value: object, fields: Mapping[str, Check]) -> list[str]:
    """The names of the fields that are missing or not as their check wants; all of them if `value` is no object."""
    if not isinstance(value, dict):
        return list(fields)
    return [name for name, accepts in fields.items() if name not in value or not accepts(value[name])]
