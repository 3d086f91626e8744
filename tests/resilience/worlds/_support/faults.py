"""What goes wrong in the world of a seed, and when."""

from dataclasses import dataclass
from random import Random
from typing import Final

from tests.resilience.worlds._support.broker import SESSION_TIMEOUT

KINDS: Final = (
    "crash", "crash", "pause", "pause", "rebalance", "database", "answer", "down", "send", "ack", "late-send", "clock",
    "slow",
)  # fmt: skip
"""What may go wrong; what stands twice does so twice as often."""

LATE_TAKEOVERS: Final = 0.1
"""In how many worlds leases are taken over, once all is well, by somebody who then does nothing with them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: when it begins, how long it lasts, whom it concerns, how strong it is (0 to 1)."""

    kind: str
    at: float
    lasts: float
    whom: int
    strength: float

    @property
    def step(self) -> float:
        """By how many seconds a clock is set forward (or back): up to an hour, for the first coordinator a little."""
        return 3600 * (self.strength - 0.5) * (2 if self.whom else 0.05)


def planned(seed: int) -> tuple[Fault, ...]:
    """What goes wrong in the world of a seed."""
    chance = Random(f"faults of {seed}")
    faults = [_one(chance.choice(KINDS), chance) for _ in range(chance.randint(0, 8))]
    if chance.random() < LATE_TAKEOVERS:
        faults.append(Fault("takeover", 0.0, 0.0, 0, chance.random()))
    return tuple(faults)


def _one(kind: str, chance: Random) -> Fault:
    """A pause may be twice as long as the group waits for a member: its partitions are given to others meanwhile."""
    longest = 2 * SESSION_TIMEOUT if kind == "pause" else 8.0
    return Fault(kind, chance.random() * 12, chance.random() * longest, chance.randrange(3), chance.random())
