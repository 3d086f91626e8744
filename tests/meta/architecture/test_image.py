"""The image is built from pinned parts, runs without root, and stops and answers as its platform expects."""

import re

import pytest

from tests.support.project_tree import ROOT


@pytest.fixture(scope="module")
def instructions() -> list[str]:
    """The Dockerfile's instructions, one a line, comments left out and continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [line for line in joined.splitlines() if line.strip()]


def test_every_base_image_is_pinned_to_a_version(instructions: list[str]) -> None:
    bases = [line.split()[1] for line in instructions if line.startswith("FROM ")]
    assert bases
    assert [base for base in bases if not re.search(r":\d+\.\d+", base)] == [], "Name the version of the base image."


def test_pip_installs_only_what_is_hashed_or_our_own(instructions: list[str]) -> None:
    installs = re.findall(r"pip install [^&]*", "\n".join(instructions))
    assert installs
    loose = [line for line in installs if "--require-hashes" not in line and "--no-deps /opt/dist" not in line]
    assert loose == [], "Put the package into requirements/ and install it with --require-hashes."


def test_the_service_does_not_run_as_root(instructions: list[str]) -> None:
    users = [line.split()[1] for line in instructions if line.startswith("USER ")]
    assert users, "Without USER the service runs as root."
    assert int(users[-1].split(":")[0]) > 0, "Name the user by a number above 0: platforms that forbid root read it."


def test_the_image_stops_by_sigterm_and_reports_its_readiness(instructions: list[str]) -> None:
    assert "STOPSIGNAL SIGTERM" in instructions
    assert [line for line in instructions if line.startswith("HEALTHCHECK ") and "/readyz" in line]


def test_the_probes_are_reached_from_outside_and_operator_actions_only_from_within(instructions: list[str]) -> None:
    variables = " ".join(line for line in instructions if line.startswith("ENV "))
    assert "SAGA_API__BIND=0.0.0.0:8080" in variables
    assert "SAGA_API__ADMIN_BIND=127.0.0.1:8081" in variables
    assert [line for line in instructions if line.startswith("EXPOSE ")] == ["EXPOSE 8080"]


def test_the_build_context_holds_what_is_copied_and_nothing_secret(instructions: list[str]) -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    admitted = {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")}
    copies = [line.split()[1:-1] for line in instructions if line.startswith("COPY ") and "--from" not in line]
    copied = {source.rstrip("/") for sources in copies for source in sources}
    assert "*" in rules, ".dockerignore must leave out everything and admit by name."
    assert copied == admitted
    assert [source for source in sorted(copied) if not (ROOT / source).exists()] == []
