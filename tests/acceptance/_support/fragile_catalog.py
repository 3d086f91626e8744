"""A saga of which one function raises for as long as a file is there, for `SAGA_CATALOG`; it awaits a payment, too."""

import os
from pathlib import Path
from typing import Final

from saga_coordinator.sagas import parallel, step
from tests.support import saga_kit
from tests.support.saga_kit import awaits

VARIABLE: Final = "FRAGILE_WHILE_THERE_IS"


def remember(data: saga_kit.Data, reply: saga_kit.Did) -> saga_kit.Data:
    """Remember as step a does, unless the file is there."""
    if Path(os.environ[VARIABLE]).exists():
        raise ArithmeticError("on purpose")
    return saga_kit.remembers("a")(data, reply)


_WHOLE = saga_kit.compensatable("a")

catalog = (
    saga_kit.saga(
        parallel(step("a", _WHOLE.send, remember=remember, compensate=_WHOLE.compensate), saga_kit.compensatable("b")),
        awaits("payment", billed_to=True),
        saga_kit.safe("z"),
    ),
)
