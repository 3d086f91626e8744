"""What the demo plays: how many orders, how fast, and which faults happen on purpose."""

from dataclasses import dataclass
from typing import Final, Self

from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.orders import Mix

FETCH_WAIT: Final = 0.02
"""Seconds that the embedded broker holds an empty fetch; it does so even when a record arrives meanwhile."""

_SEED: Final = 3156  # with it the eleventh order has both a lost reply and a refusal: a story even in a short demo
_LASTS_S: Final = 12.0
_MIN_PER_S, _MAX_PER_S = 16.0, 160.0

_FAULTS: Final = Behaviour(
    seed=_SEED,
    declines={"ship-order": 0.09},
    postpones={"charge-card": 0.04},
    lost_replies={"charge-card": 0.025, "refund-card": 0.08},
    duplicate_replies={"reserve-stock": 0.02},
)
_MIX: Final = Mix(large=0.06, duplicates=0.02, cancels=0.02, early_cancels=0.005, cancel_within_s=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One demo. `per_s` orders come in a second; the time limits of the saga are divided by `time_scale`."""

    orders: int
    per_s: float
    time_scale: float = 60
    seed: int = _SEED
    behaviour: Behaviour = _FAULTS
    mix: Mix = _MIX

    @classmethod
    def for_orders(cls, orders: int) -> Self:
        """Return the demo of so many orders, at a pace that an eye can follow as long as they are few.

        Raises:
            ValueError: There is nothing to place.
        """
        if orders < 1:
            raise ValueError(f"a demo of {orders} orders shows nothing: ask for 1 or more")
        return cls(orders=orders, per_s=min(max(orders / _LASTS_S, _MIN_PER_S), _MAX_PER_S))
