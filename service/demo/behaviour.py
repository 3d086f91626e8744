"""How the participants of the demo behave and misbehave: shares and delays, decided by ids alone and so repeatable."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import blake2b
from typing import Final, Self, TypeAlias

from saga_coordinator.service.demo.conversation import COMMAND_NAMES, PARTICIPANTS, CommandKind, Reply, failure

Shares: TypeAlias = Mapping[str, float]

_EVERY: Final = "*"
_RETRYABLE: Final = {"charge-card": ("bank-unavailable", "the bank did not answer in time")}
_TERMINAL: Final = {
    "reserve-stock": ("out-of-stock", "the warehouse has too few of one article"),
    "charge-card": ("card-declined", "the bank declined the card"),
    "review-fraud": ("fraud-suspected", "the review found the order suspicious"),
    "ship-order": ("no-carrier", "no carrier serves this address"),
    "notify-customer": ("unreachable", "the customer left no valid address"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Shares from 0 to 1 by command name (`ship-order`; `*` stands for every other), and delays in seconds.

    Attributes:
        seed: Another seed, other orders are declined.
        declines: Share of the orders whose command is refused for good. The same order is always refused.
        postpones: Share of the commands answered by a retryable failure. A new attempt is decided anew.
        lost_replies: The effect happens, the reply to the first delivery is never sent.
        duplicate_replies: The reply is sent twice, half of them with the same `ce_id`, half with another.
        late_replies: The effect happens at once, the reply `late_by_s` after.
        late_effects: The first delivery is left lying for `late_by_s` before it is carried out, so that a repeat, or
            even the undo, may overtake it.
        late_by_s: What late means, in seconds.
        think_time_s: How long each command takes before its reply leaves, in seconds.
        drops_trace: Participants that forget the trace context.
        checks: Hold every command against the published page. A benchmark saves this work.
    """

    seed: int = 0
    declines: Shares = field(default_factory=lambda: {"ship-order": 0.1})
    postpones: Shares = field(default_factory=dict)
    lost_replies: Shares = field(default_factory=dict)
    duplicate_replies: Shares = field(default_factory=dict)
    late_replies: Shares = field(default_factory=dict)
    late_effects: Shares = field(default_factory=dict)
    late_by_s: float = 1.0
    think_time_s: float = 0.0
    drops_trace: frozenset[str] = frozenset()
    checks: bool = True

    def __post_init__(self) -> None:
        for option in ("declines", "postpones", "lost_replies", "duplicate_replies", "late_replies", "late_effects"):
            _check_shares(option, getattr(self, option))
        if self.late_by_s < 0 or self.think_time_s < 0:
            raise ValueError("behaviour: late_by_s and think_time_s are seconds, 0 or more")
        if unknown := self.drops_trace - set(PARTICIPANTS):
            raise ValueError(
                f"behaviour: drops_trace names no participant: {sorted(unknown)}; there are {PARTICIPANTS}"
            )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the fields above from a JSON object; those left out keep their defaults.

        Raises:
            ValueError: The text is not a JSON object, or holds a field or value that there is not.
        """
        given = json.loads(text)
        known = {each.name for each in fields(cls)}
        if not isinstance(given, dict) or given.keys() - known:
            raise ValueError(f"behaviour: a JSON object with some of {sorted(known)} is needed, not {text}")
        if "drops_trace" in given:
            given["drops_trace"] = frozenset(given["drops_trace"])
        return cls(**given)

    def refusal(self, kind: CommandKind, order_id: str, command_id: str) -> Reply | None:
        """The failure that this command gets instead of an effect, or None when it is carried out."""
        name = kind.name
        if self.happens("declines", name, order_id):
            return failure(*_TERMINAL.get(name, ("refused", f"{name} is refused")), retryable=False)
        if self.happens("postpones", name, command_id):
            return failure(*_RETRYABLE.get(name, ("busy", f"{name} cannot be done now")), retryable=True)
        return None

    def happens(self, option: str, command_name: str, subject: str) -> bool:
        """Whether the share `option` of this command hits `subject`, an order id or a command id."""
        shares: Shares = getattr(self, option)
        if not shares:
            return False
        share = shares.get(command_name, shares.get(_EVERY, 0.0))
        return share > 0.0 and chance(self.seed, option, command_name, subject) < share


def chance(seed: int, *what: str) -> float:
    """A number from 0 up to 1, evenly spread over what it is asked for and always the same for the same question."""
    digest = blake2b("/".join((str(seed), *what)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)


def _check_shares(option: str, shares: Shares) -> None:
    for name, share in shares.items():
        if name not in COMMAND_NAMES and name != _EVERY:
            raise ValueError(
                f"behaviour: {option} names no command: {name!r}; there are {sorted(COMMAND_NAMES)} and '*'"
            )
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"behaviour: {option}[{name!r}] is a share from 0 to 1, not {share}")
