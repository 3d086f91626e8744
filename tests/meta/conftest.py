"""The wheel of this tree, and an environment in which it is installed, for all tests of this folder."""

import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.meta._support.clean_run import run
from tests.support.project_tree import ROOT


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    return folder


@pytest.fixture(scope="session")
def python(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel; its dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    interpreter = folder / "bin" / "python"
    [wheel] = dist.glob("*.whl")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", interpreter, wheel, cwd=folder)
    [site_packages] = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return interpreter
