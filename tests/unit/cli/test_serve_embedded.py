"""`saga serve --embedded` brings a broker and a database for development, and takes both away at its end."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SAGA = Path(sys.executable).with_name("saga")
EMBEDDED = ("serve", "--embedded")
LIMIT = 30.0

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the choice of the database to the verb."""
    monkeypatch.delenv("SAGA_STORE")


def test_its_topics_exist_for_other_programs_and_nothing_is_left_at_its_end(tmp_path: Path) -> None:
    with (
        (tmp_path / "serve.log").open("w") as log,
        subprocess.Popen(
            [SAGA, *EMBEDDED], env=os.environ | {"SAGA_API__BIND": free_address()},
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        exports = [process.stdout.readline() for _ in range(2)]
        variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in exports)
        planned = subprocess.run(
            [SAGA, "topics", "plan", "--json"], env=os.environ | variables,
            capture_output=True, text=True, check=True, timeout=LIMIT,
        )  # fmt: skip
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0, (tmp_path / "serve.log").read_text()

    assert {topic["state"] for topic in json.loads(planned.stdout)} == {"exists"}
    assert "for development only" in (tmp_path / "serve.log").read_text()
    assert not Path(variables["SAGA_STORE"].removeprefix("sqlite:///")).parent.exists()


@pytest.mark.parametrize(
    "variables",
    [{"SAGA_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092"}, {"SAGA_STORE": "sqlite:////var/lib/saga/saga.db"}],
    ids=lambda variables: next(iter(variables)),
)
def test_it_is_refused_beside_a_broker_or_a_database_of_the_settings(variables: dict[str, str]) -> None:
    code, message = refused(variables)

    assert code == 2
    assert message == (
        "saga: --embedded starts a broker and a database of its own: "
        f"unset {', '.join(variables)}, or start without --embedded\n"
    )


def test_it_is_refused_as_a_recovery() -> None:
    code, message = refused({}, SAGA, *EMBEDDED, "--recover")

    assert code == 2
    assert "the database of --embedded is empty, and did not go back" in message


def test_without_the_extra_it_says_what_to_install() -> None:
    without = "import sys; sys.modules['confluent_kafka'] = None; from saga_coordinator.service.cli.main import main"
    code, message = refused({}, sys.executable, "-c", f"{without}; main()", *EMBEDDED)

    assert code == 1
    assert "saga-coordinator[demo]" in message
    assert "Traceback" not in message


def refused(variables: dict[str, str], *command: str | Path) -> tuple[int, str]:
    """Exit code and standard error of a start that fails."""
    ended = subprocess.run(
        command or (SAGA, *EMBEDDED), env=os.environ | variables,
        capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    return ended.returncode, ended.stderr


def free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"
