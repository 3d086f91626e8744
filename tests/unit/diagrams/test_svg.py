"""The SVG picture: sound XML, every text as text, nothing that runs or is fetched, and legible without colours."""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saga_coordinator.contracts import Done
from saga_coordinator.contracts.messages.private_cloud import CapacityReserved, MachineCreated
from saga_coordinator.contracts.messages.provisioning import ProvisionServers, Server
from saga_coordinator.sagas.catalog.employee_onboarding import employee_onboarding
from saga_coordinator.sagas.catalog.server_provisioning import server_provisioning
from saga_coordinator.sagas.diagrams.model import Mark
from saga_coordinator.sagas.diagrams.svg.document import svg
from saga_coordinator.sagas.diagrams.svg.stylesheet import DAY, MARK_ICONS, NIGHT
from saga_coordinator.sagas.language.nodes import Branch
from saga_coordinator.sagas.testing.scenario import Scenario
from saga_coordinator.sagas.testing.scenario import given as begin
from tests.support.saga_kit import Begun, Data, compensatable, point_of_no_return, saga
from tests.unit.diagrams._support.any_saga import any_stories
from tests.unit.diagrams._support.short import SHORT, SITUATIONS

SVG = "{http://www.w3.org/2000/svg}"
HARMLESS = {"svg", "title", "desc", "style", "defs", "marker", "path", "rect", "g", "text"}
NASTY = '<script>alert("x")</script> & \'"]]> \x1b[31m \x00 \u202e'


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314  it is our own


def texts(drawing: str) -> list[str]:
    return [each.text or "" for each in parsed(drawing).iter(f"{SVG}text")]


def card(drawing: str, name: str) -> ET.Element:
    (found,) = [each for each in parsed(drawing).iter(f"{SVG}g") if each.get("data-name") == name]
    return found


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(any_stories())
def test_any_picture_is_xml_without_anything_that_runs_or_is_fetched(story: Scenario[Data]) -> None:
    drawing = svg(story.saga, story.instance)
    for each in parsed(drawing).iter():
        assert each.tag.removeprefix(SVG) in HARMLESS
        assert [name for name in each.attrib if name.startswith("on") or "href" in name] == []
    assert re.findall(r"https?://[^\"]*", drawing) == ["http://www.w3.org/2000/svg"]
    assert set(re.findall(r"url\(([^)]*)\)", drawing)) <= {"#head-forward", "#head-back"}
    assert "@import" not in drawing


@settings(max_examples=100)
@given(st.text(min_size=1, max_size=300))
@pytest.mark.parametrize("place", ["message", "key"])
def test_what_somebody_else_has_written_stays_text(place: str, written: str) -> None:
    story = begin(SHORT, Begun(key=written if place == "key" else "k-1"))
    story = story.fails("a", code="no", message=written)
    assert "a" in texts(svg(SHORT, story.instance))


def test_a_nasty_name_is_escaped_wherever_it_stands() -> None:
    def odd(data: Data) -> bool:
        return data.coins == 0

    drawing = svg(saga(Branch(NASTY, odd, (compensatable("a"),), ())))
    assert "<script>" not in drawing
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", drawing)
    choice = [each for each in parsed(drawing).iter(f"{SVG}g") if each.get("class") == "choice"]
    assert [each.get("data-name", "")[:35] for each in choice] == ['<script>alert("x")</script> & \'"]]>']
    assert [each.findtext(f"{SVG}title", "")[:8] for each in choice] == ["<script>"]


def test_a_long_message_ends_somewhere() -> None:
    story = begin(SHORT, Begun()).fails("a", code="no", message="far too long " * 10_000)
    assert len(svg(SHORT, story.instance)) < 20_000


def test_the_same_saga_is_always_drawn_in_the_same_way() -> None:
    first, second = (
        saga(compensatable("a"), point_of_no_return("ship")),
        saga(compensatable("a"), point_of_no_return("ship")),
    )
    assert svg(first) == svg(second)
    assert svg(first, begin(first, Begun()).instance) == svg(second, begin(second, Begun()).instance)


def test_a_screen_reader_gets_a_title_and_a_description() -> None:
    drawing = parsed(svg(SHORT, SITUATIONS["stalled past the pivot"].instance))
    assert drawing.get("role") == "img"
    ids = {each.get("id"): each.text for each in drawing if each.tag in {f"{SVG}title", f"{SVG}desc"}}
    assert [ids[name] for name in (drawing.get("aria-labelledby") or "").split()] == [
        "made v1",
        "Saga made, version 1, of 3 steps; instance k-1 is stalled.",
    ]
    assert card(svg(SHORT, SITUATIONS["running"].instance), "a").findtext(f"{SVG}title") == "a, awaited"


# --- states


@pytest.mark.parametrize(
    ("situation", "name", "mark", "words", "is_now"),
    [
        ("running", "a", Mark.ASKED, "awaited", True),
        ("waiting to ask again", "a", Mark.WAITING, "to be sent again", True),
        ("at the pivot", "a", Mark.DONE, "done", False),
        ("at the pivot", "undo a", Mark.AHEAD, "not sent", False),
        ("at the pivot", "p", Mark.ASKED, "awaited", True),
        ("at the pivot", "z", Mark.AHEAD, "not reached", False),
        ("compensating", "p", Mark.REFUSED, "refused", False),
        ("compensating", "undo a", Mark.ASKED, "awaited", True),
        ("stalled past the pivot", "z", Mark.REFUSED, "refused", True),
        ("stalled compensating", "undo a", Mark.REFUSED, "refused", True),
        ("stalled compensating", "p", Mark.REFUSED, "refused", False),
        ("compensated", "undo a", Mark.UNDONE, "undone", False),
        ("compensated", "compensated", Mark.DONE, "compensated", False),
        ("completed", "completed", Mark.DONE, "completed", False),
        ("completed", "compensated", Mark.AHEAD, "not reached", False),
    ],
)
def test_a_state_is_shown_by_icon_word_and_colour(
    situation: str, name: str, mark: Mark, words: str, *, is_now: bool
) -> None:
    drawn = card(svg(SHORT, SITUATIONS[situation].instance), name)
    assert mark in (drawn.get("class") or "").split()
    assert [each for each in drawn if each.get("class") == f"icon icon-{mark}"]
    assert words in [each.text for each in drawn.iter(f"{SVG}text")]
    assert ("now" in (drawn.get("class") or "").split()) is is_now
    assert ("now" in [each.text for each in drawn.iter(f"{SVG}text")]) is is_now


def test_a_child_saga_has_an_edge_of_its_own() -> None:
    edges = {
        name: len([each for each in card(svg(employee_onboarding), name) if each.get("class") == "card"])
        for name in ("order-laptop", "provision-servers")
    }
    assert edges == {"order-laptop": 1, "provision-servers": 2}


def test_every_mark_has_an_icon_of_its_own() -> None:
    assert len(set(MARK_ICONS.values())) == len(Mark)


@pytest.mark.parametrize("look", [DAY, NIGHT], ids=["day", "night"])
def test_every_text_stands_out_from_what_is_behind_it(look: dict[str, str]) -> None:
    """At least 4.5 to 1, as WCAG 2.2 asks for in 1.4.3; what is no text 3 to 1 (1.4.11)."""
    backs = ["paper", "card", "frame", *Mark]
    for back in backs:
        for ink in ("ink", "soft"):
            assert contrast(look[ink], look[back]) >= 4.5, (ink, back)
        for line in ("arrow", "back", "pivot"):
            assert contrast(look[line], look["frame"]) >= 3
    assert contrast(look["pivot"], look["paper"]) >= 4.5


def test_the_picture_follows_the_viewer_into_the_night() -> None:
    style = parsed(svg(SHORT)).findtext(f"{SVG}style") or ""
    day, night = style.split("@media (prefers-color-scheme:dark)")
    assert colours(day) >= set(DAY.values())
    assert colours(night) >= set(NIGHT.values())


def test_an_instance_says_why_it_failed_and_why_it_cannot_go_on() -> None:
    found = texts(svg(SHORT, SITUATIONS["stalled compensating"].instance))
    assert "failed at p: no" in found
    assert "stalled at a: no: its compensation failed:" in found
    assert "instance k-1: compensating, paused, started 2026-01-01 00:00:00; times are in UTC" in texts(
        svg(SHORT, SITUATIONS["compensating, paused"].instance)
    )


def test_times_are_written_in_utc_with_the_date_of_another_day() -> None:
    found = texts(svg(SHORT, SITUATIONS["running"].instance))
    assert {"sent 00:00:00", "reply due 00:01:00"} <= set(found)
    assert "instance k-1: running, started 2026-01-01 00:00:00; times are in UTC" in found


# --- lists and alternatives

REQUEST = ProvisionServers(
    request_id="r-1",
    owner="payments",
    servers=tuple(Server(name=f"web-{n}", cores=2, memory_gb=4, disk_gb=10) for n in range(1, 8)),
)
CREATING = begin(server_provisioning, REQUEST).replies("reserve-capacity", CapacityReserved(pool="p-1"))


def test_a_list_shows_how_many_of_how_many_are_done_in_flight_and_failed() -> None:
    story = CREATING.replies("create-machine[web-1]", MachineCreated(address="10.0.0.1"))
    assert "1 of 7 done, 5 in flight" in texts_of(story, "create-machine")
    story = story.fails("create-machine[web-2]", code="no-room")
    assert {"1 of 7 done, 4 in flight, 1 failed", "web-2: refused"} <= texts_of(story, "create-machine")


def test_of_a_list_the_undone_are_counted_among_those_that_have_to_be() -> None:
    story = CREATING.replies("create-machine[web-1]", MachineCreated(address="10.0.0.1"))
    story = story.replies("create-machine[web-3]", MachineCreated(address="10.0.0.3"))
    story = story.fails("create-machine[web-2]", code="no-room")
    for name in ("web-4", "web-5", "web-6", "web-7"):
        story = story.fails(f"create-machine[{name}]", code="no-room")
    assert "0 of 2 undone, 2 in flight" in texts_of(story, "undo create-machine")
    assert "1 of 2 undone, 1 in flight" in texts_of(
        story.undone("create-machine[web-3]", Done()), "undo create-machine"
    )


def test_alternatives_show_the_order_of_trial_and_what_became_of_each() -> None:
    assert fates(svg(server_provisioning)) == ["1st", "2nd"]
    assert fates(svg(server_provisioning, CREATING.instance)) == ["1st", "being tried", "2nd", "not tried"]
    left = begin(server_provisioning, REQUEST).fails("reserve-capacity", code="no-room")
    assert fates(svg(server_provisioning, left.instance)) == ["1st", "left", "2nd", "being tried"]


def texts_of(story: Scenario[Any], name: str) -> set[str]:
    """The lines of a card; and neighbours as one, for what was broken."""
    lines = texts_in(card(svg(story.saga, story.instance), name))
    return {" ".join(lines[start:end]) for start in range(len(lines)) for end in range(start + 1, len(lines) + 1)}


def texts_in(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def fates(drawing: str) -> list[str]:
    words = {"1st", "2nd", "being tried", "not tried", "left", "taken", "tried", "being undone"}
    return [each for each in texts(drawing) if each in words]


def colours(style: str) -> set[str]:
    return set(re.findall(r"#[0-9a-f]{6}", style))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG defines it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = channels(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def channels(colour: str) -> Iterator[float]:
    for place in (1, 3, 5):
        value = int(colour[place : place + 2], 16) / 255
        yield value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
