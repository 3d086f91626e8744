"""How participants misbehave is decided by ids alone, in the shares that were asked for."""

import json

import pytest

from saga_coordinator.service.demo.behaviour import Behaviour, from_json
from saga_coordinator.service.demo.conversation import COMMANDS

SHIP = COMMANDS["shipping.ship-order.v1"]
CHARGE = COMMANDS["payments.charge-card.v1"]


def test_about_one_order_in_ten_is_declined_at_shipping_by_default() -> None:
    behaviour = Behaviour()
    refused = [behaviour.refusal(SHIP, f"o-{n}", f"c-{n}") for n in range(5000)]

    declined = [reply for reply in refused if reply is not None]

    assert 400 < len(declined) < 600
    assert {json.loads(reply.value)["code"] for reply in declined} == {"no-carrier"}
    assert {json.loads(reply.value)["retryable"] for reply in declined} == {False}
    assert not any(behaviour.refusal(CHARGE, f"o-{n}", f"c-{n}") for n in range(500))


def test_the_same_order_is_always_declined_and_another_seed_declines_others() -> None:
    def declined(seed: int, attempt: int) -> set[int]:
        behaviour = Behaviour(seed=seed)
        return {n for n in range(500) if behaviour.refusal(SHIP, f"o-{n}", f"c-{n}-{attempt}")}

    assert declined(seed=1, attempt=1) == declined(seed=1, attempt=2)
    assert declined(seed=1, attempt=1) != declined(seed=2, attempt=1)


def test_a_postponed_command_is_retryable_and_its_new_attempt_is_decided_separately() -> None:
    behaviour = Behaviour(postpones={"charge-card": 0.5})
    first = [behaviour.refusal(CHARGE, "o-1", f"c-{n}") for n in range(200)]

    assert 60 < sum(reply is not None for reply in first) < 140
    assert all(json.loads(reply.value)["retryable"] for reply in first if reply is not None)


def test_a_star_stands_for_every_command_that_is_not_named() -> None:
    behaviour = Behaviour(lost_replies={"*": 1.0, "ship-order": 0.0})

    assert behaviour.happens("lost_replies", "charge-card", "c-1")
    assert not behaviour.happens("lost_replies", "ship-order", "c-1")


def test_json_gives_the_fields_and_the_rest_keep_their_defaults() -> None:
    behaviour = from_json(Behaviour, '{"seed": 4, "declines": {"charge-card": 0.2}, "drops_trace": ["shipping"]}')

    assert behaviour == Behaviour(seed=4, declines={"charge-card": 0.2}, drops_trace=frozenset({"shipping"}))


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ('{"declined": {}}', "declined: .*The fields are .*declines"),
        ("[]", "value: .*The fields are .*declines"),
        ('{"declines": {"ship": 0.1}}', "declines.*'ship' names no command"),
        ('{"declines": {"ship-order": 1.5}}', "declines.ship-order: .*less than or equal to 1"),
        ('{"drops_trace": ["ship-order"]}', "names no participant"),
        ('{"late_by_s": -1}', "late_by_s: .*greater than or equal to 0"),
    ],
)
def test_a_behaviour_that_makes_no_sense_is_refused_with_its_reason(text: str, warning: str) -> None:
    with pytest.raises(ValueError, match=warning):
        from_json(Behaviour, text)
