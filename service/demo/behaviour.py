"""How the participants of the demo behave and misbehave: shares and delays, decided by ids alone and so repeatable."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError

from saga_coordinator.service.demo.conversation import COMMAND_NAMES, PARTICIPANTS, CommandKind, EncodedReply, failure

M = TypeVar("M", bound=BaseModel)

_EVERY: Final = "*"
_RETRYABLE: Final = {"charge-card": ("bank-unavailable", "the bank did not answer in time")}
_TERMINAL: Final = {
    "reserve-stock": ("out-of-stock", "the warehouse has too few of one article"),
    "charge-card": ("card-declined", "the bank declined the card"),
    "review-fraud": ("fraud-suspected", "the review found the order suspicious"),
    "ship-order": ("no-carrier", "no carrier serves this address"),
    "notify-customer": ("unreachable", "the customer left no valid address"),
}


def _command(name: str) -> str:
    if name not in COMMAND_NAMES and name != _EVERY:
        raise ValueError(f"{name!r} names no command: there are {sorted(COMMAND_NAMES)} and '*'")
    return name


def _participant(name: str) -> str:
    if name not in PARTICIPANTS:
        raise ValueError(f"{name!r} names no participant: there are {PARTICIPANTS}")
    return name


Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Shares: TypeAlias = Mapping[Annotated[str, AfterValidator(_command)], Share]


class Behaviour(BaseModel):
    """Shares from 0 to 1 by command name (`ship-order`; `*` stands for every other), and delays in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0  # another seed, other orders are declined
    declines: Shares = {"ship-order": 0.1}  # refused for good; the same order is always refused
    postpones: Shares = {}  # answered by a retryable failure; each attempt is decided separately
    lost_replies: Shares = {}  # the effect happens, the reply to the first delivery is never sent
    duplicate_replies: Shares = {}  # half of them with the same `ce_id`, half with another
    late_replies: Shares = {}  # the effect happens at once, the reply `late_by_s` after
    late_effects: Shares = {}  # the first delivery waits `late_by_s`: a repeat, or the compensation, may overtake it
    late_by_s: NonNegativeFloat = 1.0
    think_time_s: NonNegativeFloat = 0.0  # how long each command takes before its reply leaves
    drops_trace: frozenset[Annotated[str, AfterValidator(_participant)]] = frozenset()
    checks: bool = True  # hold every command against the published page; a benchmark saves this work

    def refusal(self, kind: CommandKind, order_id: str, command_id: str) -> EncodedReply | None:
        """Return the failure that this command gets instead of an effect, or None when it is carried out."""
        name = kind.name
        if self.happens("declines", name, order_id):
            return failure(*_TERMINAL.get(name, ("refused", f"{name} is refused")), retryable=False)
        if self.happens("postpones", name, command_id):
            return failure(*_RETRYABLE.get(name, ("busy", f"{name} cannot be done now")), retryable=True)
        return None

    def happens(self, option: str, command_name: str, subject: str) -> bool:
        """Return whether the share `option` of this command hits `subject`, an order id or a command id."""
        shares: Shares = getattr(self, option)
        if not shares:
            return False
        share = shares.get(command_name, shares.get(_EVERY, 0.0))
        return share > 0.0 and chance(self.seed, option, command_name, subject) < share


def chance(seed: int, *what: str) -> float:
    """Return a number in [0, 1), evenly spread over `what` and always the same for the same arguments."""
    digest = blake2b("/".join((str(seed), *what)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)


def from_json(model: type[M], text: str) -> M:
    """Return options in a JSON object; those left out keep their defaults. Raises `ValueError` for anything else."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in error.errors())
        raise ValueError(f"{model.__name__.lower()}: {wrong}. The fields are {', '.join(model.model_fields)}") from None
