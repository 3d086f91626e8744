"""An invalid model is reported line by line: what is wrong, where, and what to do."""

from dataclasses import replace
from pathlib import Path

import pytest

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.simulation.model_file import ModelFile, line_of
from saga_coordinator.service.simulation.resolved_model import participant_of, resolve
from tests.support.project_tree import ROOT
from tests.support.saga_kit import command, point_of_no_return, saga

EXAMPLE = ROOT / "docs" / "examples" / "order-fulfilment.toml"
JUST_ONE = saga(point_of_no_return("only"))


def complaints(text: str) -> list[str]:
    """What is said of a model for order fulfilment."""
    with pytest.raises(ValueError, match=r"model\.toml") as refused:
        resolve(order_fulfilment, ModelFile("model.toml", text), 1)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('horizon = "3 weeks"',
         ("model.toml:1: horizon: '3 weeks' is no length of time: write seconds, or \"250 ms\", \"1.5 s\", \"2 min\", "
         '"3 h", "4 d"')),
        ("horizon = -1", "model.toml:1: horizon: input should be greater than or equal to 0, not -1"),
        ("[default]\nlatncy = 3",
         ("model.toml:1: default: there is no setting 'latncy': did you mean latency?")),
        ("\n[default]\n\nrefused = 2", "model.toml:4: default.refused: input should be less than or equal to 1, not 2"),
        ("default = 3",
         ("model.toml:1: default: it must be a table with latency, retryable, retry_after, refused, code, lost, "
         "honoured, not 3")),
        ('[default]\nlatency = { kind = "normal", mean = 1 }',
         ("model.toml:2: default.latency: kind must be one of 'constant', 'uniform', 'exponential', 'lognormal', "
         "'measured'")),
        ('[default]\nlatency = { kind = "lognormal", median = "1 s" }',
         "model.toml:2: default.latency.p99: it is missing: say it here"),
        ('[default]\nlatency = { kind = "lognormal", median = "1 s", p99 = "20 ms" }',
         "model.toml:2: default.latency: p99 (0.02 s) is less than the median (1.0 s): swap them"),
        ('[default]\nlatency = { kind = "uniform", low = 2, high = 1 }',
         "model.toml:2: default.latency: high (1.0 s) is less than low (2.0 s): swap them"),
        ("[default]\nretryable = 0.7\nrefused = 0.7",
         "model.toml:1: default: retryable (0.7) and refused (0.7) are more than 1 together: lower one"),
        ('[default]\nretryable = 0.7\n[commands."shipping.ship-order.v1"]\nrefused = 0.7',
         ('model.toml:3: commands."shipping.ship-order.v1": retryable (0.7) and refused (0.7) are more than 1 '
         "together: lower one")),
        ("[[participants.payments.outages]]\nbegins = 1\nlasts = 1\n[[participants.payments.outages]]\nbegins = 2",
         "model.toml:4: participants.payments.outages.1.lasts: it is missing: say it here"),
        ("[participants.paiments]\nconcurrency = 3",
         ("model.toml:1: participants.paiments: there is no participant of saga order-fulfilment called 'paiments': "
         "did you mean payments?")),
        ('[events.payment]\ndelay = "1 s"',
         "model.toml:1: events.payment: there is no receive of saga order-fulfilment called 'payment': there is none"),
        (('[[start]]\n[start.data]\norder_id = "o"\ncustomer_id = "c"\ncurrency = "EURO"\ntotal = "1"\n'
         'lines = [{ sku = "s", quantity = 1, unit_price = "1" }]\n'
         'ship_to = { street = "s", city = "c", postcode = "p", country = "DE" }'),
         "model.toml:5: start.0.data.currency: String should match pattern '^[A-Z]{3}$' (it is a OrderPlaced)"),
        ('[commands."payments.charge-card.v1"]\nreplies = [{ data = { charge = "c" } }]',
         ('model.toml:2: commands."payments.charge-card.v1".replies.0.data.charge_id: Field required (it is a '
         "CardCharged)")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported_with_its_line_and_a_remedy(text: str, expected: str) -> None:
    assert complaints(text) == [expected]


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    assert len(complaints("horizon = -1\n[arrivals]\nrate = 0\nprocess = 'bursts'\n[default]\nlost = 3")) == 4


def test_text_that_is_no_toml_is_reported_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"model\.toml: this is not TOML: .*line 2, column 8"):
        ModelFile("model.toml", "[default]\nlatency\n")


def test_a_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"model\.toml: this is not UTF-8 text"):
        ModelFile.read(tmp_path / "model.toml")


def test_a_cancel_that_the_saga_does_not_know_is_reported() -> None:
    with pytest.raises(ValueError, match="cancel: saga made has no cancel_on: nothing cancels it; leave this table"):
        resolve(replace(JUST_ONE, cancel_on=None), ModelFile("m", "[cancel]\nshare = 1\ndelay = 1"), 1)


def test_the_nearest_line_is_reported_where_a_thing_stands_on_none_of_its_own() -> None:
    text = 'a = 1\n[b."c.d"]\ne = { f = 1 }\n[[g]]\nh = 1\n[[g]]\nh = 2\n[g.i]\nj = 3\n'

    assert line_of(text, ("b", "c.d", "e", "f")) == 3
    assert line_of(text, ("b", "c.d", "x")) == 2
    assert line_of(text, ("g", 1, "h")) == 7
    assert line_of(text, ("g", 1, "i", "j")) == 9
    assert line_of(text, ("nowhere",)) is None


def test_a_command_goes_by_its_own_manner_then_its_participants_then_the_default() -> None:
    model = """
[default]
lost = 0.1
refused = 0.1
latency = 1
[participants.made]
lost = 0.2
refused = 0.2
[commands."made.do-only.v1"]
refused = 0.3
"""
    conduct = resolve(JUST_ONE, ModelFile("m", model), 1).conduct[command("only")]

    assert (conduct.refused, conduct.lost, conduct.latency.draw) == (0.3, 0.2, conduct.latency.draw)
    assert conduct.latency.model_dump() == {"kind": "constant", "value": 1.0}


def test_a_participant_is_named_by_its_topic() -> None:
    assert participant_of(command("only")) == "made"


def test_the_example_describes_every_participant_that_is_slow() -> None:
    parts = resolve(order_fulfilment, ModelFile.read(EXAMPLE), 1)

    assert {name for name, model in parts.participants.items() if model.concurrency} == {
        "inventory",
        "payments",
        "reviews",
        "shipping",
    }
    assert parts.cancel is not None
