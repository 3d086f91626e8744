"""A saga as Mermaid text: the lanes, the marks, and the state of an instance in words and as a class."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from saga_coordinator.contracts.messages.hiring import HireAgreed
from saga_coordinator.contracts.messages.private_cloud import CapacityReserved, MachineCreated
from saga_coordinator.contracts.messages.provisioning import ProvisionServers, Server
from saga_coordinator.contracts.messages.public_cloud import NetworkCreated
from saga_coordinator.contracts.messages.signing import ContractSent
from saga_coordinator.sagas import parallel
from saga_coordinator.sagas.catalog.employee_onboarding import employee_onboarding
from saga_coordinator.sagas.catalog.release import release
from saga_coordinator.sagas.catalog.server_provisioning import server_provisioning
from saga_coordinator.sagas.diagrams.mermaid import mermaid
from saga_coordinator.sagas.language.nodes import Branch
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import (
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    choice,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)
from tests.unit.diagrams._support.short import SHORT, SITUATIONS

REQUEST = ProvisionServers(
    request_id="r-1",
    owner="shop",
    servers=tuple(Server(name=name, cores=2, memory_gb=4, disk_gb=10) for name in ("web-1", "web-2")),
)
HIRED = HireAgreed(
    employee_id="e-1",
    full_name="Ada Lovelace",
    private_email="ada@example.org",
    role="engineer",
    starts_at=datetime(2026, 2, 2, 8, tzinfo=UTC),
)

SHOP = saga(
    parallel(compensatable("a"), choice("heads", 0, compensatable("b"))),
    choice("is-large", 1, compensatable("review"), otherwise=(compensatable("glance"),)),
    point_of_no_return("ship"),
    retriable("notify"),
)

DRAWN = """\
flowchart LR
  subgraph n1[" "]
    direction TB
    n2(["made.begun.v1"])
    n3(["made.unwound.v1"])
    n2 -.- n3
  end
  subgraph n4["all at once"]
    direction TB
    subgraph n5[" "]
      direction TB
      n6["a"]
      n7["undo: made.undo-a.v1"]
      n6 -.- n7
    end
    n8{"heads"}
    subgraph n9[" "]
      direction TB
      n10["b"]
      n11["undo: made.undo-b.v1"]
      n10 -.- n11
    end
    n8 -->|"yes"| n9
  end
  n1 --> n4
  n12{"is-large"}
  n4 --> n12
  subgraph n13[" "]
    direction TB
    n14["review"]
    n15["undo: made.undo-review.v1"]
    n14 -.- n15
  end
  n12 -->|"yes"| n13
  subgraph n16[" "]
    direction TB
    n17["glance"]
    n18["undo: made.undo-glance.v1"]
    n17 -.- n18
  end
  n12 -->|"no"| n16
  n19{{"ship<br/>pivot: no way back"}}
  n13 --> n19
  n16 --> n19
  n20["notify"]
  n19 --> n20
  n21(["made.finished.v1"])
  n20 --> n21
"""


def lines_with(text: str, drawing: str) -> list[str]:
    return [line.strip() for line in drawing.splitlines() if text in line]


def test_a_saga_is_drawn_with_its_groups_choices_and_pivot_and_each_undo_beneath_its_step() -> None:
    assert mermaid(SHOP) == DRAWN


def test_a_branch_without_an_otherwise_goes_on_from_its_diamond() -> None:
    drawing = mermaid(saga(choice("heads", 0, compensatable("a")), point_of_no_return("ship")))

    assert lines_with("n8", drawing) == [
        'n8{{"ship<br/>pivot: no way back"}}',
        "n5 --> n8",
        'n4 -->|"no"| n8',
        "n8 --> n9",
    ]


def test_the_same_saga_is_always_drawn_in_the_same_way() -> None:
    assert mermaid(SHOP) == mermaid(replace(SHOP))


def test_an_instance_is_drawn_with_the_state_of_each_step() -> None:
    story = (
        given(SHORT, Begun())
        .fails("a", code="busy", retryable=True)
        .passes(10 * SECOND)
        .replies("a", Did())
        .fails("p", code="no")
    )
    drawing = mermaid(SHORT, story.instance)

    assert lines_with(":::", drawing) == [
        'n2(["made.begun.v1"]):::done',
        'n3(["made.unwound.v1"]):::ahead',
        'n5["a<br/>done, sent 2 times"]:::done',
        'n6["undo: made.undo-a.v1<br/>now: awaited<br/>sent 00:00:10<br/>reply due 00:01:10"]:::asked',
        'n7{{"p<br/>pivot: no way back<br/>refused"}}:::refused',
        'n8["z<br/>not reached"]:::ahead',
        'n9(["made.finished.v1"]):::ahead',
    ]


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        ("running", 'n5["a<br/>now: awaited<br/>sent 00:00:00<br/>reply due 00:01:00"]:::asked'),
        (
            "waiting to ask again",
            'n5["a<br/>now: to be sent again<br/>sent 00:00:00<br/>again 00:00:10"]:::waiting',
        ),
        ("at the pivot", 'n6["undo: made.undo-a.v1<br/>not sent"]:::ahead'),
        ("stalled past the pivot", 'n8["z<br/>now: refused<br/>sent 00:00:00"]:::refused'),
        ("stalled compensating", 'n6["undo: made.undo-a.v1<br/>now: refused<br/>sent 00:00:00"]:::refused'),
        ("completed", 'n9(["made.finished.v1"]):::done'),
        ("compensated", 'n3(["made.unwound.v1"]):::done'),
        ("compensated", 'n6["undo: made.undo-a.v1<br/>undone"]:::undone'),
    ],
)
def test_every_state_stands_in_words_and_as_a_class(situation: str, expected: str) -> None:
    assert expected in lines_with(":::", mermaid(SHORT, SITUATIONS[situation].instance))


def test_a_step_that_did_not_answer_is_marked() -> None:
    silent = given(SHORT, Begun()).passes(2 * MINUTE)

    assert 'n5["a<br/>unanswered, sent 2 times"]:::unknown' in lines_with(":::", mermaid(SHORT, silent.instance))


@pytest.mark.parametrize(
    ("coins", "expected"),
    [(0, ['n4 -->|"yes"| n5', 'n4 -->|"no, taken"| n8']), (1, ['n4 -->|"yes, taken"| n5', 'n4 -->|"no"| n8'])],
)
def test_the_way_that_an_instance_took_is_marked(coins: int, expected: list[str]) -> None:
    fork = saga(choice("heads", 0, compensatable("a")), point_of_no_return("ship"))

    assert lines_with("-->|", mermaid(fork, given(fork, Begun(coins=coins)).instance)) == expected


def test_every_class_that_is_used_is_defined() -> None:
    for scenario in SITUATIONS.values():
        drawing = mermaid(SHORT, scenario.instance)
        used = {line.rsplit(":::", 1)[1] for line in lines_with(":::", drawing)}
        defined = {line.split()[1] for line in lines_with("classDef", drawing)}
        assert used <= defined


def test_a_name_that_mermaid_would_read_as_its_own_is_written_as_text() -> None:
    def odd(data: Data) -> bool:
        return data.coins == 0

    odd.__name__ = '<lambda> "x" {y} #1;'
    drawing = mermaid(saga(Branch(odd.__name__, odd, (compensatable("a"),), ())))

    assert '{"#60;lambda#62; #34;x#34; #123;y#125; #35;1#59;"}' in drawing


def test_a_completed_instance_says_so_without_colours() -> None:
    drawing = mermaid(SHORT, SITUATIONS["completed"].instance)

    assert [line for line in lines_with("<br/>", drawing) if "done" not in line and "not sent" not in line] == []


# --- the nodes beyond steps and groups of them


def test_alternatives_are_drawn_in_their_order_of_trial_each_as_a_way_of_its_own() -> None:
    drawing = mermaid(server_provisioning)

    assert lines_with("subgraph", drawing)[1:5] == [
        'subgraph n4["cloud: one of, in turn, until one succeeds"]',
        'subgraph n5["1st"]',
        'subgraph n6[" "]',
        'subgraph n9["for each of servers, at most 5 at once"]',
    ]
    assert "n6 --> n9" in lines_with("-->", drawing)


def test_of_alternatives_an_instance_says_which_is_tried_and_why_one_was_left() -> None:
    story = given(server_provisioning, REQUEST).replies("reserve-capacity", CapacityReserved(pool="p-1"))
    failing = story.fails("create-machine[web-1]", code="no-room").fails("create-machine[web-2]", code="no-room")

    assert lines_with("subgraph", mermaid(server_provisioning, story.instance))[2] == 'subgraph n5["1st, being tried"]'
    drawing = mermaid(server_provisioning, failing.instance)
    rule, first = lines_with("subgraph", drawing)[1:3]
    assert rule.endswith('succeeds #40;left for no-room at create-machine#91;web-1#93;#41;"]')
    assert first == 'subgraph n5["1st, being undone"]'
    later = failing.undone("reserve-capacity").replies("create-network", NetworkCreated(network_id="n-1"))
    drawing = mermaid(server_provisioning, later.instance)
    assert 'subgraph n5["1st, left"]' in lines_with("subgraph", drawing)
    assert 'subgraph n13["2nd, being tried"]' in lines_with("subgraph", drawing)


def test_a_list_says_how_many_are_done() -> None:
    story = given(server_provisioning, REQUEST).replies("reserve-capacity", CapacityReserved(pool="p-1"))
    story = story.replies("create-machine[web-2]", MachineCreated(address="10.0.0.2"))

    drawing = mermaid(server_provisioning, story.instance)
    assert 'n11["create-machine<br/>now: 1 of 2 done, 1 in flight"]:::asked' in lines_with("create-machine", drawing)


def test_events_times_and_children_have_shapes_and_words_of_their_own() -> None:
    drawing = mermaid(employee_onboarding)

    assert lines_with("signed", drawing)[0] == (
        'n7>"contract-signed<br/>receives signing.contract-signed.v1<br/>within 14 days"]'
    )
    assert lines_with("first", drawing)[0] == 'n23("first-day<br/>waits until first_day")'
    assert lines_with("child", drawing) == ['n21[["provision-servers<br/>carried out by a child saga"]]']
    assert 'n10("warm-up<br/>waits 10 min")' in [
        re.sub(r"^n\d+", "n10", line) for line in lines_with("warm-up", mermaid(release))
    ]


def test_a_wait_says_until_when() -> None:
    story = given(employee_onboarding, HIRED).replies("send-contract", ContractSent(document_id="doc-1"))

    assert lines_with("contract-signed", mermaid(employee_onboarding, story.instance))[0] == (
        'n7>"contract-signed<br/>receives signing.contract-signed.v1<br/>within 14 days'
        '<br/>now: awaited<br/>since 00:00:00<br/>until 2026-01-15 00:00:00"]:::waiting'
    )
    late = story.passes(timedelta(days=14))
    assert "<br/>did not come" in lines_with("contract-signed", mermaid(employee_onboarding, late.instance))[0]


def test_what_is_under_way_is_marked() -> None:
    assert lines_with("class n", mermaid(SHORT, SITUATIONS["running"].instance)) == ["class n5 now"]
    assert lines_with("class n", mermaid(SHORT, SITUATIONS["completed"].instance)) == []
