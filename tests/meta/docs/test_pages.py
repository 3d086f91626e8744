"""The documentation matches the project: files, links, tests, settings, metrics and diagrams."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.diagrams.mermaid import mermaid
from saga_coordinator.sagas.diagrams.svg.document import svg
from saga_coordinator.service.counts import Counts, Unanswered
from saga_coordinator.service.telemetry.environment import resource_from_environment, scope
from saga_coordinator.service.telemetry.measures import Measures
from saga_coordinator.service.telemetry.metrics import Metrics
from tests.meta.docs._support.pages import README, anchors, blocks, links, named_sources, named_tests, pages
from tests.support.project_tree import ROOT, shown

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
OPERATING = ROOT / "docs" / "operating.md"
HEADINGS = ("## Context", "## Decision", "## Consequences")
A_MOMENT = timedelta(milliseconds=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_every_link_of_a_page_has_a_target(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{shown(page)} links to {link}, and there is no such file"
        assert not anchor or anchor in anchors(target), f"{shown(page)} links to {link}, and there is no such heading"


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for named in named_tests(page):
        file, _, function = named.partition("::")
        assert (ROOT / file).exists(), f"{shown(page)} names {named}, and there is no such test"
        if function:
            text = (ROOT / file).read_text(encoding="utf-8")
            exists = f"def {function}(" in text or f"class {function}:" in text
            assert exists, f"{shown(page)} names {named}, and there is no such test in the file"


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_every_source_file_that_a_page_names_exists(page: Path) -> None:
    assert [named for named in sorted(named_sources(page)) if not (ROOT / named).exists()] == []


def test_every_promise_of_the_readme_names_the_test_that_shows_it() -> None:
    table = README.read_text(encoding="utf-8").split("## What is promised", 1)[1].split("**Not promised:**", 1)[0]
    promises = [line for line in table.splitlines() if line.startswith("| **")]
    assert promises, "the table of promises is not where this test looks for it"
    assert [line for line in promises if "`tests/" not in line] == []


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 330


def test_the_diagram_of_the_reference_saga_is_up_to_date() -> None:
    drawn = [each.text for each in blocks(ROOT / "docs" / "order-fulfilment.md") if each.language == "mermaid"]
    assert drawn == [mermaid(order_fulfilment)]


def test_the_svg_of_the_reference_saga_is_up_to_date() -> None:
    """`saga graph order-fulfilment -o docs/order-fulfilment.svg` updates it."""
    assert (ROOT / "docs" / "order-fulfilment.svg").read_text(encoding="utf-8") == svg(order_fulfilment)


def test_the_documented_metrics_are_those_that_exist() -> None:
    documented = set(
        re.findall(r"^\| `((?:saga|process)\.[a-z._]+)`", OPERATING.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {prometheus_name(each) for each in documented} == measured()


def measured() -> set[str]:
    """Return the metrics of the coordinator, by their names in Prometheus without suffixes."""
    measures = Measures()
    measures.transitions["s", "start", "applied"] += 1
    measures.verdicts["t", "unmatched"] += 1
    measures.compensations["s", "a"] += 1
    measures.stalled["s", "a"] += 1
    measures.dead_letters[("t",)] += 1
    unanswered = Unanswered("s", "a", "forward", 1, NOW)
    measures.set_counts(Counts(instances=[("s", "running", 1)], paused=[("s", 1)], unanswered=[unanswered]), NOW)
    measures.set_checks([("kafka", True)])
    measures.set_lag({("t", 0): 1})
    for durations, labels in ((measures.duration, ("s", "completed")), (measures.step_duration, ("s", "a", "forward"))):
        durations.add(labels, A_MOMENT)
    measures.timer_lag.add((), A_MOMENT)
    metrics = Metrics(measures, resource_from_environment(), scope(), lambda: 0)
    try:
        text = metrics.text().decode()
    finally:
        metrics.stop(1.0)
    exposed = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    return {re.sub(r"(_total|_seconds|_bytes)+$", "", each) for each in exposed} - {"target_info"}


def prometheus_name(name: str) -> str:
    return name.replace(".", "_")


# --- decisions


def test_decisions_are_numbered_one_after_the_other() -> None:
    assert [int(each.name[:4]) for each in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_is_short_and_has_context_decision_and_consequences(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]}: "), "its title begins with its number"
    assert [each for each in HEADINGS if f"\n{each}\n" not in text] == []
    assert len(text.splitlines()) <= 40
