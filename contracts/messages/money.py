"""Amounts and codes as the conversations write them: decimal strings and ISO codes."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

_AMOUNT = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,9})?")


def _decimal_text(value: object) -> object:
    """Refuse everything but a plain decimal string: a JSON number has already lost its digits."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return value
    raise PydanticCustomError("decimal_string", 'must be a decimal string such as "49.99"')


def _plain_text(value: Decimal) -> str:
    """Write all digits: the text of a very small Decimal has an exponent, which the format does not allow."""
    return format(value, "f")


Amount = Annotated[Decimal, BeforeValidator(_decimal_text), PlainSerializer(_plain_text, when_used="json")]
"""An amount of money, a decimal string in JSON; its currency stands beside it."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code such as `EUR`."""

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""An ISO 3166-1 alpha-2 code such as `DE`."""
