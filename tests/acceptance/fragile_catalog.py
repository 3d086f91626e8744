"""A saga of which one function raises for as long as a file is there, for `SAGA_CATALOG`; it awaits a payment, too."""

import os
from pathlib import Path
from typing import Final

from saga_coordinator.sagas import parallel, step
from tests.unit.machine import made
from tests.unit.machine.made_nodes import awaits

VARIABLE: Final = "FRAGILE_WHILE_THERE_IS"


def remember(data: made.Data, reply: made.Did) -> made.Data:
    """Remember as step a does, unless the file is there."""
    if Path(os.environ[VARIABLE]).exists():
        raise ArithmeticError("on purpose")
    return made.remembers("a")(data, reply)


_WHOLE = made.compensatable("a")

catalog = (
    made.saga(
        parallel(step("a", _WHOLE.send, remember=remember, compensate=_WHOLE.compensate), made.compensatable("b")),
        awaits("payment", billed_to=True),
        made.safe("z"),
    ),
)
