"""The compose file is a sound one, although no Docker is needed to check it."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.project_tree import ROOT

DRAIN_SECONDS = 30
OUR_IMAGE = "saga-coordinator"
STEPS = re.compile(r"(?:(\d+)m)?(?:(\d+)s)?")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file, anchors and merges resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def test_the_compose_file_keeps_the_compose_schema(compose: dict[str, Any]) -> None:
    assert schema_errors(compose) == []


@pytest.mark.parametrize(
    ("service", "key", "wrong"),
    [
        ("kafka", "imge", "apache/kafka"),
        ("kafka", "healthcheck", {"test": ["CMD", "true"], "every": "5s"}),
        ("orders", "depends_on", {"coordinator": {"condition": "service_ready"}}),
        ("coordinator", "ports", {"8080": "8080"}),
    ],
)
def test_the_schema_refuses_a_mistake(compose: dict[str, Any], service: str, key: str, wrong: object) -> None:
    broken = copy.deepcopy(compose)
    broken["services"][service][key] = wrong
    assert schema_errors(broken) != []


def test_every_dependency_is_a_service_that_can_reach_its_condition(compose: dict[str, Any]) -> None:
    services = compose["services"]
    wrong = [
        f"{name} waits for {target} to be {wait['condition']}"
        for name, service in services.items()
        for target, wait in service.get("depends_on", {}).items()
        if target not in services or not reachable(services[target], wait["condition"])
    ]
    assert wrong == [], "healthy needs a health check; completed needs a service that ends and is not started again."


def test_a_profile_is_never_needed_by_a_service_outside_it(compose: dict[str, Any]) -> None:
    services = compose["services"]
    wrong = [
        f"{name} needs {target}"
        for name, service in services.items()
        for target in service.get("depends_on", {})
        if not set(services[target].get("profiles", [])) <= set(service.get("profiles", []))
    ]
    assert wrong == [], "The default `docker compose up` would refuse to start."


def test_every_image_is_pinned_to_a_version(compose: dict[str, Any]) -> None:
    loose = [s["image"] for s in compose["services"].values() if not re.search(r":v?\d+\.\d+\.\d+$", s["image"])]
    assert loose == [], "Name the full version: what is tried today is what runs tomorrow."


def test_our_image_is_built_once_and_never_looked_for_elsewhere(compose: dict[str, Any]) -> None:
    ours = [s for s in compose["services"].values() if s["image"].startswith(OUR_IMAGE)]
    assert sorted(s["pull_policy"] for s in ours) == ["build"] + ["never"] * (len(ours) - 1)
    assert [s["pull_policy"] for s in ours if "build" in s] == ["build"]


def test_ports_are_published_on_the_loopback_address_only(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_every_named_volume_is_declared(compose: dict[str, Any]) -> None:
    used = {mount.split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_the_coordinator_has_time_to_drain_before_it_is_killed(compose: dict[str, Any]) -> None:
    assert seconds(compose["services"]["coordinator"]["stop_grace_period"]) > DRAIN_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("service", ["topics", "coordinator", "participants", "orders"])
def test_every_command_is_one_that_the_program_knows(compose: dict[str, Any], service: str) -> None:
    command: list[str] = compose["services"][service]["command"]
    verbs = [word for word in command[:2] if not word.startswith("-")]
    saga = Path(sys.executable).with_name("saga")
    plain = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    asked = subprocess.run([saga, *verbs, "--help"], env=plain, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, f"docker-compose.yml: `saga {' '.join(verbs)}` is unknown.\n{asked.stderr}"
    assert [word for word in command if word.startswith("--") and word not in asked.stdout] == [], asked.stdout


def schema_errors(document: dict[str, Any]) -> list[str]:
    """What the compose schema has against this document, each with its place."""
    schema = json.loads((ROOT / "tests/meta/architecture/compose-spec.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def reachable(service: dict[str, Any], condition: str) -> bool:
    """Whether this service can come to be in this condition."""
    match condition:
        case "service_started":
            return True
        case "service_healthy":
            check = service.get("healthcheck", {})
            inherited = service["image"].startswith(OUR_IMAGE)
            return not check.get("disable", False) and ("test" in check or inherited)
        case "service_completed_successfully":
            return service.get("restart", "no") in {"no", "on-failure"}
        case _:
            return False


def seconds(duration: str) -> int:
    """A compose duration like 40s or 1m30s, in seconds."""
    found = STEPS.fullmatch(duration)
    assert found, f"not a duration: {duration}"
    return int(found[1] or 0) * 60 + int(found[2] or 0)
