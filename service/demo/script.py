"""What the demo plays: how many orders, how fast, and which mishaps are meant to happen."""

from dataclasses import dataclass, field
from typing import Final, Self

from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.orders import Mix

TIME_SCALE: Final = 60
"""How much shorter the time limits are than the saga declares: its minutes pass in seconds."""

FETCH_WAIT: Final = 0.02
"""Seconds that the embedded broker holds an empty fetch; it does so even when a record comes meanwhile."""

_SEED: Final = 3156  # with it the eleventh order has both a lost reply and a refusal: a story even in a short demo
_LASTS_S: Final = 12.0
_MIN_PER_S, _MAX_PER_S = 16.0, 160.0

_MISHAPS: Final = Behaviour(
    seed=_SEED,
    declines={"ship-order": 0.09},
    postpones={"charge-card": 0.04},
    lost_replies={"charge-card": 0.025, "refund-card": 0.08},
    duplicate_replies={"reserve-stock": 0.02},
)
_MIX: Final = Mix(large=0.06, duplicates=0.02, cancels=0.02, early_cancels=0.005, cancel_within_s=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One demo. `per_s` orders come in a second; `patience_s` is how long to wait for the next outcome."""

    orders: int
    per_s: float
    time_scale: float = TIME_SCALE
    seed: int = _SEED
    behaviour: Behaviour = field(default_factory=lambda: _MISHAPS)
    mix: Mix = field(default_factory=lambda: _MIX)
    patience_s: float = 20.0
    settle_s: float = 1.0

    @classmethod
    def for_orders(cls, orders: int) -> Self:
        """The demo of so many orders, at a pace that an eye can follow as long as they are few.

        Raises:
            ValueError: There is nothing to place.
        """
        if orders < 1:
            raise ValueError(f"a demo of {orders} orders shows nothing: ask for 1 or more")
        return cls(orders=orders, per_s=min(max(orders / _LASTS_S, _MIN_PER_S), _MAX_PER_S))
