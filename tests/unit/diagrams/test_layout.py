"""Any saga can be laid out: everything stands once, nothing overlaps, texts fit, and the lanes run their way."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from math import floor

import pytest
from hypothesis import HealthCheck, given, settings

from saga_coordinator.sagas import Saga, parallel
from saga_coordinator.sagas.diagrams.build import sketch
from saga_coordinator.sagas.diagrams.model import CardKind, Mark, cards_of
from saga_coordinator.sagas.diagrams.svg.layout import MARKS, picture
from saga_coordinator.sagas.diagrams.svg.shapes import FACES, Box, Face, Frame, Line, Picture, Sign, Stroke, Text
from saga_coordinator.sagas.language.nodes import Branch, ForEach, Step, walk
from saga_coordinator.sagas.testing.scenario import Scenario
from saga_coordinator.sagas.testing.scenario import given as begin
from tests.support.saga_kit import Begun, Data, choice, compensatable, point_of_no_return, retriable, safe, saga
from tests.unit.diagrams._support.any_saga import any_sagas, any_stories

SHOP = saga(
    parallel(compensatable("a"), compensatable("b")),
    choice("is-large", 1, compensatable("review"), otherwise=(compensatable("glance"),)),
    safe("look"),
    compensatable("pack"),
    point_of_no_return("ship"),
    retriable("notify"),
)


def boxes(drawn: Picture) -> dict[str, Box]:
    return {each.card.name: each for each in drawn.shapes if isinstance(each, Box)}


def frames(drawn: Picture) -> list[Frame]:
    return [each for each in drawn.shapes if isinstance(each, Frame)]


def lines(drawn: Picture, stroke: Stroke) -> list[Line]:
    return [each for each in drawn.shapes if isinstance(each, Line) and each.stroke is stroke]


def overlap(one: Box | Frame, other: Box | Frame) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def holds(outer: Box | Frame, inner: Box | Frame) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.width <= outer.x + outer.width
        and inner.y + inner.height <= outer.y + outer.height
    )


def within(outer: Box | Frame, y: int) -> bool:
    return outer.y < y < outer.y + outer.height


def width_of(text: Text) -> float:
    return FACES[text.style].width(text.text)


def left_of(text: Text) -> float:
    return text.x - width_of(text) if text.is_end else text.x


def area_of(text: Text) -> Frame:
    """The letters of a text, as something that takes room."""
    return Frame(x=floor(left_of(text)), y=text.y - 9, width=floor(width_of(text)), height=10, texts=())


def names_of(definition: Saga[Begun, Data]) -> Iterator[str]:
    """What has to stand in the picture: each leaf, each undo, each choice, and the two ends."""
    yield from ("start", "completed", "compensated")
    for node in walk(definition.steps):
        step = node.step if isinstance(node, ForEach) else node
        if isinstance(step, Branch) or not hasattr(node, "nodes"):
            yield getattr(node, "name", "")
        if isinstance(step, Step) and step.compensate is not None:
            yield f"undo {step.name}"


def everything_stands_in_the_picture_once(story: Scenario[Data], drawn: Picture) -> None:
    cards = [each.card.name for each in drawn.shapes if isinstance(each, Box)]
    assert Counter(cards) == Counter(names_of(story.saga))


def no_two_boxes_overlap_and_a_frame_holds_whole_boxes(_: Scenario[Data], drawn: Picture) -> None:
    cards, around = list(boxes(drawn).values()), frames(drawn)
    assert [(one, other) for one, other in combinations(cards, 2) if overlap(one, other)] == []
    assert [(f, c) for f in around for c in cards if overlap(f, c) and not holds(f, c)] == []
    assert [
        (one, other)
        for one, other in combinations(around, 2)
        if overlap(one, other) and not (holds(one, other) or holds(other, one))
    ] == []


def everything_lies_inside_the_picture(_: Scenario[Data], drawn: Picture) -> None:
    for shape in drawn.shapes:
        match shape:
            case Box() | Frame():
                assert shape.x >= 0
                assert shape.y >= 0
                assert shape.x + shape.width <= drawn.width
                assert shape.y + shape.height <= drawn.height
            case Line():
                assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in shape.points)
            case Text():
                assert left_of(shape) >= 0
                assert left_of(shape) + width_of(shape) <= drawn.width
                assert shape.y < drawn.height
            case Sign():
                assert 0 <= shape.x < drawn.width


def every_text_fits_into_its_box(_: Scenario[Data], drawn: Picture) -> None:
    placed: list[Box | Frame] = [*boxes(drawn).values(), *frames(drawn)]
    for box in placed:
        for text in box.texts:
            assert box.x < left_of(text)
            assert left_of(text) + width_of(text) <= box.x + box.width, text
            assert box.y < text.y - 8
            assert text.y < box.y + box.height


def no_line_runs_through_a_box(_: Scenario[Data], drawn: Picture) -> None:
    crossed = [
        (line, box.card.name)
        for stroke in Stroke
        for line in lines(drawn, stroke)
        for box in boxes(drawn).values()
        if box.card.kind is not CardKind.CHOICE
        for (x1, y1), (x2, y2) in pairwise(line.points)
        if min(x1, x2) < box.x + box.width
        and max(x1, x2) > box.x
        and min(y1, y2) < box.y + box.height
        and max(y1, y2) > box.y
    ]
    assert crossed == []


def no_words_stand_on_a_box_an_edge_or_other_words(_: Scenario[Data], drawn: Picture) -> None:
    words = [*(each for each in drawn.shapes if isinstance(each, Text)), *(t for f in frames(drawn) for t in f.texts)]
    areas = [(text.text, area_of(text)) for text in words]
    cards = [box for box in boxes(drawn).values() if box.card.kind is not CardKind.CHOICE]
    assert [(text, box.card.name) for text, area in areas for box in cards if overlap(area, box)] == []
    assert [(one, other) for (one, a), (other, b) in combinations(areas, 2) if overlap(a, b)] == []
    assert [text for text, area in areas for f in frames(drawn) if overlap(area, f) and not holds(f, area)] == []


def every_line_of_the_way_back_goes_from_edge_to_edge(_: Scenario[Data], drawn: Picture) -> None:
    placed: list[Box | Frame] = [*boxes(drawn).values(), *frames(drawn)]
    for line in lines(drawn, Stroke.BACK)[:-1]:
        (x1, y1), (x2, y2) = line.points[0], line.points[-1]
        starts = [each for each in placed if (each.x == x1 and within(each, y1)) or each.y + each.height == y1]
        ends = [each for each in placed if each.x + each.width == x2 and within(each, y2)]
        assert starts, line
        assert ends, line


def every_undo_stands_beneath_its_step(_: Scenario[Data], drawn: Picture) -> None:
    placed = boxes(drawn)
    for name, undo in placed.items():
        if undo.card.kind is CardKind.UNDO:
            step = placed[name.removeprefix("undo ")]
            assert step.x == undo.x
            assert step.y + step.height < undo.y


CHECKS = (
    everything_stands_in_the_picture_once,
    no_two_boxes_overlap_and_a_frame_holds_whole_boxes,
    everything_lies_inside_the_picture,
    every_text_fits_into_its_box,
    no_line_runs_through_a_box,
    no_words_stand_on_a_box_an_edge_or_other_words,
    every_line_of_the_way_back_goes_from_edge_to_edge,
    every_undo_stands_beneath_its_step,
)


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(any_stories())
def test_any_instance_of_any_saga_is_laid_out_soundly(story: Scenario[Data]) -> None:
    drawn = picture(sketch(story.saga, story.instance))
    for check in CHECKS:
        check(story, drawn)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(any_sagas())
def test_any_saga_is_laid_out_soundly(definition: Saga[Begun, Data]) -> None:
    drawn = picture(sketch(definition))
    for check in CHECKS:
        check(begin(definition, Begun()), drawn)


def test_the_forward_lane_runs_to_the_right_and_the_way_back_to_the_left() -> None:
    drawn = picture(sketch(SHOP))
    assert lines(drawn, Stroke.BACK)
    for line in lines(drawn, Stroke.BACK)[:-1]:
        assert line.points[-1][0] < line.points[0][0]
    for line in lines(drawn, Stroke.FORWARD):
        assert line.points[0][0] <= line.points[-1][0]


def test_the_steps_of_a_sequence_stand_on_one_line_and_their_undoes_on_another() -> None:
    placed = boxes(picture(sketch(saga(compensatable("a"), safe("b"), compensatable("c"), point_of_no_return("p")))))
    levels = {placed[name].middle[1] for name in ("start", "a", "b", "c", "p", "completed")}
    lanes = {placed[name].middle[1] for name in ("undo a", "undo c", "compensated")}
    assert max(levels) - min(levels) <= 1
    assert max(lanes) - min(lanes) <= 1
    assert min(lanes) > max(levels)


def test_the_point_of_no_return_is_a_line_between_the_pivot_and_what_follows() -> None:
    drawn = picture(sketch(SHOP))
    placed = boxes(drawn)
    (line, _) = lines(drawn, Stroke.PIVOT)
    (x, top), (same, bottom) = line.points
    assert x == same
    assert placed["ship"].x + placed["ship"].width < x < placed["notify"].x
    assert top < min(placed[name].y for name in ("ship", "notify"))
    assert bottom > placed["undo pack"].y
    assert [each.text for each in drawn.shapes if isinstance(each, Text) and each.is_end] == ["point of no return"]


def test_the_way_back_begins_at_a_pivot_that_refuses_and_ends_at_the_outcome() -> None:
    drawn = picture(sketch(SHOP))
    placed = boxes(drawn)
    back = lines(drawn, Stroke.BACK)
    ship, outcome = placed["ship"], placed["compensated"]
    assert back[0].points[0] == (ship.middle[0], ship.y + ship.height)
    assert back[0].points[-1] == (placed["undo pack"].x + placed["undo pack"].width, placed["undo pack"].middle[1])
    assert (outcome.x + outcome.width, outcome.middle[1]) in [each.points[-1] for each in back]


def test_what_is_explained_beneath_is_what_can_be_seen() -> None:
    definition, instance = (
        {each.text for each in picture(each).shapes if isinstance(each, Text)}
        for each in (sketch(SHOP), sketch(SHOP, begin(SHOP, Begun()).instance))
    )
    assert "undoes, in reverse" in definition
    assert instance - definition >= {"awaited", "not reached"}


def test_a_text_is_broken_between_the_parts_of_a_name_and_a_version_stays_with_its_name() -> None:
    face = Face(10)
    assert face.broken("orders.order-placed.v1", 80) == ("orders.order-", "placed.v1")
    assert face.broken("w" * 9, 30) == ("www",) * 3
    assert face.broken("", 30) == ()


def test_every_mark_that_a_step_can_have_is_explained() -> None:
    assert set(MARKS) == set(Mark)


def test_the_cards_of_a_sketch_come_in_the_order_of_the_definition() -> None:
    found = [each.name for each in cards_of(sketch(SHOP).items)]
    assert found == [
        "a",
        "undo a",
        "b",
        "undo b",
        "is-large",
        "review",
        "undo review",
        "glance",
        "undo glance",
        "look",
        "pack",
        "undo pack",
        "ship",
        "notify",
    ]
