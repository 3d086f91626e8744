"""Dependencies are pinned with hashes, alike for everyone, and the files hold nothing of the machine that made them."""

import re
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.project_tree import ROOT, shown, tracked_files

FILES = ("runtime", "dev", "build", "soak")
OLDEST, NEWEST = "3.11", "3.14"
TARGETS = [(python, platform) for python in (OLDEST, NEWEST) for platform in ("linux", "darwin")]


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    entries = requirement_entries(name)
    unpinned = [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert entries, f"requirements/{name}.txt is empty: run `make lock`"
    assert unpinned == [], f"requirements/{name}.txt: run `make lock`, which pins and hashes."


@pytest.mark.parametrize("name", FILES)
def test_no_requirements_file_names_an_index_or_a_path(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    found = re.findall(r"^.*(?:://|index-url|find-links|trusted-host|\s/).*$", text, flags=re.MULTILINE)
    assert found == [], f"requirements/{name}.txt: run `make lock`; the index is a setting of the machine."


@pytest.mark.parametrize(("python", "platform"), TARGETS)
def test_what_pyproject_asks_for_is_pinned_to_a_version_that_fits(python: str, platform: str) -> None:
    asked = {
        "runtime": declared_runtime(),
        "dev": declared_runtime() + declared_group("dev"),
        "build": declared_group("build"),
        "soak": declared_group("soak"),
    }
    misfits = [
        f"requirements/{name}.txt: {requirement}"
        for name in FILES
        for requirement in asked[name]
        if applies(requirement, python, platform) and not fits(requirement, pins(name, python, platform))
    ]
    assert misfits == [], "pyproject.toml has changed since the files were made: run `make lock`."


@pytest.mark.parametrize(("python", "platform"), TARGETS)
def test_development_and_build_use_the_versions_of_production(python: str, platform: str) -> None:
    dev = pins("dev", python, platform)
    for name in ("runtime", "build"):
        other = {package: version for package, version in pins(name, python, platform).items() if package in dev}
        assert other == {package: dev[package] for package in other}, "run `make lock`"
    assert pins("runtime", python, platform).keys() <= dev.keys()


def test_an_extra_that_a_package_asks_for_is_pinned_with_its_package() -> None:
    pinned = {(canonicalize_name(each.name), extra) for each in requirements("dev") for extra in each.extras}
    asked = {(canonicalize_name(each.name), extra) for each in asked_by_pinned_packages() for extra in each.extras}
    assert asked, "no package asks for an extra: this test shows nothing"
    assert asked - pinned == set(), "pip's hash mode takes NAME[EXTRA] for a requirement of its own: run `make lock`"


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    private = re.compile(rb"(?<![\w.~-])/(?:home|root|work|Users)/[\w.]")
    found = [
        f"{shown(path)}:{number}"
        for path in tracked_files()
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if private.search(line)
    ]
    assert found == [], "Write a path from the top of the project, or let the caller name it."


def requirement_entries(name: str) -> list[str]:
    """The entries of one file: a requirement and its hashes on one line each, comments left out."""
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(name: str, python: str, platform: str) -> dict[str, str]:
    """Package to version, of one file, as it applies to this Python and platform."""
    chosen = [requirement for requirement in requirements(name) if applies(requirement, python, platform)]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in chosen}


def requirements(name: str) -> list[Requirement]:
    """The pins of one file, with their extras and markers."""
    return [Requirement(entry.split("--hash")[0].strip()) for entry in requirement_entries(name)]


def asked_by_pinned_packages() -> list[Requirement]:
    """What the packages of dev.txt that are installed here ask for, without what only their unused extras want."""
    asked: list[Requirement] = []
    for pin in requirements("dev"):
        with suppress(PackageNotFoundError):  # it is for another Python or platform
            wanted = [Requirement(text) for text in distribution(pin.name).requires or ()]
            asked += [each for each in wanted if any(wants(each, extra) for extra in {"", *pin.extras})]
    return asked


def wants(requirement: Requirement, extra: str) -> bool:
    """Whether the requirement's marker holds here, with this extra of the package that asks."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def applies(requirement: Requirement, python: str, platform: str) -> bool:
    """Whether the requirement's marker holds for this Python and platform."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": platform}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def fits(requirement: Requirement, pinned: dict[str, str]) -> bool:
    """Whether the pinned version is one that the requirement allows."""
    version = pinned.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def declared_runtime() -> list[Requirement]:
    """What the service and its demo need, as pyproject.toml says."""
    project = _pyproject()["project"]
    dependencies: list[str] = project["dependencies"] + project["optional-dependencies"]["demo"]
    return [Requirement(text) for text in dependencies]


def declared_group(name: str) -> list[Requirement]:
    """What one dependency group needs, with the groups that it includes."""
    entries: list[str | dict[str, str]] = _pyproject()["dependency-groups"][name]
    found: list[Requirement] = []
    for entry in entries:
        found += [Requirement(entry)] if isinstance(entry, str) else declared_group(entry["include-group"])
    return found


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
