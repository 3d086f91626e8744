"""A saga as Mermaid text: the lanes, the marks, and the state of an instance in words and as a class."""

from dataclasses import replace

import pytest

from sagas.drawing.mermaid import mermaid
from sagas.machine import Branch, parallel
from sagas.scenario import given
from tests.machine.made import (
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
from tests.machine.test_every_signal_in_every_status import SHORT, SITUATIONS

SHOP = saga(
    parallel(compensatable("a"), choice("heads", 0, compensatable("b"))),
    choice("is-large", 1, compensatable("review"), otherwise=(compensatable("glance"),)),
    point_of_no_return("ship"),
    retriable("tell"),
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
  n20["tell"]
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
        'n6["undo: made.undo-a.v1<br/>now: awaiting an answer<br/>asked 00:00:10<br/>answer due 00:01:10"]:::asked',
        'n7{{"p<br/>pivot: no way back<br/>refused"}}:::refused',
        'n8["z<br/>not reached"]:::ahead',
        'n9(["made.finished.v1"]):::ahead',
    ]


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        ("running", 'n5["a<br/>now: awaiting an answer<br/>asked 00:00:00<br/>answer due 00:01:00"]:::asked'),
        (
            "waiting to ask again",
            'n5["a<br/>now: will be asked again<br/>asked 00:00:00<br/>again 00:00:10"]:::waiting',
        ),
        ("at the pivot", 'n6["undo: made.undo-a.v1<br/>not asked for"]:::ahead'),
        ("stalled past the pivot", 'n8["z<br/>now: refused<br/>asked 00:00:00"]:::refused'),
        ("stalled compensating", 'n6["undo: made.undo-a.v1<br/>now: refused<br/>asked 00:00:00"]:::refused'),
        ("completed", 'n9(["made.finished.v1"]):::done'),
        ("compensated", 'n3(["made.unwound.v1"]):::done'),
        ("compensated", 'n6["undo: made.undo-a.v1<br/>undone"]:::undone'),
    ],
)
def test_every_state_stands_in_words_and_as_a_class(situation: str, expected: str) -> None:
    assert expected in lines_with(":::", mermaid(SHORT, SITUATIONS[situation].instance))


def test_a_step_that_did_not_answer_is_marked() -> None:
    silent = given(SHORT, Begun()).passes(2 * MINUTE)

    assert 'n5["a<br/>did not answer, sent 2 times"]:::unknown' in lines_with(":::", mermaid(SHORT, silent.instance))


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

    assert [line for line in lines_with("<br/>", drawing) if "done" not in line and "not asked for" not in line] == []
