"""The wheel works beside a project whose own packages are called `service`, `handlers`, `sagas` and `contracts`."""

import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.meta._support.clean_run import run

pytestmark = pytest.mark.slow

FOLDERS = ("contracts", "handlers", "sagas", "service")
PROJECT = {
    "contracts/parcels.py": """
from saga_coordinator.contracts import Command, Done, Event


class ParcelPosted(Event):
    message_type = "parcels.parcel-posted.v1"
    topic = "parcels.events.v1"

    parcel_id: str


class ParcelDelivered(Event):
    message_type = "parcels.parcel-delivered.v1"

    parcel_id: str


class ParcelReturned(Event):
    message_type = "parcels.parcel-returned.v1"

    parcel_id: str


class Deliver(Command[Done]):
    message_type = "carriers.deliver.v1"
    topic = "carriers.commands.v1"

    parcel_id: str
""",
    "handlers/greeting.py": "GREETING = 'the handlers of the project'\n",
    "service/greeting.py": "GREETING = 'the service of the project'\n",
    "sagas/parcel.py": """
from pydantic import BaseModel, ConfigDict

from contracts.parcels import Deliver, ParcelDelivered, ParcelPosted, ParcelReturned
from saga_coordinator import Cause, Saga, pivot


class ParcelData(BaseModel):
    model_config = ConfigDict(frozen=True)

    parcel_id: str


def parcel_id(event: ParcelPosted) -> str:
    return event.parcel_id


def begin(event: ParcelPosted) -> ParcelData:
    return ParcelData(parcel_id=event.parcel_id)


def deliver(data: ParcelData) -> Deliver:
    return Deliver(parcel_id=data.parcel_id)


def delivered(data: ParcelData) -> ParcelDelivered:
    return ParcelDelivered(parcel_id=data.parcel_id)


def returned(data: ParcelData, cause: Cause) -> ParcelReturned:
    return ParcelReturned(parcel_id=data.parcel_id)


parcel = Saga(
    name="parcel",
    version=1,
    starts_on=ParcelPosted,
    correlate=parcel_id,
    begin=begin,
    steps=(pivot("deliver", deliver),),
    on_completed=delivered,
    on_compensated=returned,
)
""",
    "tests/test_parcel.py": """
from handlers.greeting import GREETING as OF_HANDLERS
from saga_coordinator.handlers import ports
from saga_coordinator.service import settings
from sagas.parcel import parcel
from service.greeting import GREETING as OF_SERVICE


def test_every_fault_of_a_parcel(saga_matrix):
    saga_matrix(parcel)


def test_each_package_is_its_owner_s():
    assert (OF_HANDLERS, OF_SERVICE) == ("the handlers of the project", "the service of the project")
    assert "site-packages" in ports.__file__ and "site-packages" in settings.__file__
""",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of a user, with the four packages of its own."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in PROJECT.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for package in FOLDERS:
        (folder / package / "__init__.py").touch()
    return folder


def test_the_tests_of_the_project_run_with_our_pytest_plugin(python: Path, project: Path) -> None:
    output = run(python, "-m", "pytest", "-p", "no:cacheprovider", cwd=project)
    assert "2 passed" in output


@pytest.mark.parametrize("command", [["-m", "saga_coordinator.service.cli"], None])
def test_saga_lint_finds_the_saga_of_the_working_directory(
    python: Path, project: Path, command: list[str] | None
) -> None:
    saga = [python, *command] if command else [python.with_name("saga")]
    assert "parcel" in run(*saga, "lint", "sagas.parcel:parcel", cwd=project)


def test_a_wheel_from_the_sdist_is_the_same_and_holds_one_package_without_tools(dist: Path, tmp_path: Path) -> None:
    [archive] = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    [source] = tmp_path.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again"), cwd=source)

    names = files_of(dist)

    assert files_of(tmp_path / "again") == names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"saga_coordinator"}
    assert {"saga_coordinator/py.typed", *(f"saga_coordinator/{folder}/__init__.py" for folder in FOLDERS)} <= set(
        names
    )
    assert [name for name in names if set(Path(name).parts) & {"bench", "failpoints.py", "java.py", "tests"}] == []


def files_of(folder: Path) -> list[str]:
    """The names of the files in the wheel of a folder."""
    [wheel] = folder.glob("*.whl")
    with ZipFile(wheel) as opened:
        return sorted(opened.namelist())
