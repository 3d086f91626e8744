"""`saga simulate`: what it prints, its exit codes, and the same bytes for the same seed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project_tree import ROOT, SOURCES
from tests.unit.cli._support.said import Saga

EXAMPLE = str(ROOT / "docs" / "examples" / "order-fulfilment.toml")
FEW = ("simulate", "order-fulfilment", "--participants", EXAMPLE, "--instances", "300")
KEYS = {
    "saga", "version", "instances", "seed", "virtual_s", "transitions", "statuses", "completion_rate", "cycle_time_s",
    "steps", "why", "stalls", "events", "raised", "participants",
}  # fmt: skip


def test_the_example_is_formatted_for_people(saga: Saga) -> None:
    said = saga.does(*FEW)

    assert "completion rate " in said.out
    for word in ("cycle time", "p99", "compensations", "Compensated because", "busy", "wait p99", "payments"):
        assert word in said.out
    assert said.err == ""


def test_and_for_programs(saga: Saga) -> None:
    shown = saga.does(*FEW, "--json").json

    assert set(shown) == KEYS
    assert sum(shown["statuses"].values()) == shown["instances"] == 300
    assert 0.8 < shown["completion_rate"] < 1.0
    assert shown["participants"]["payments"]["requests"] >= 300
    assert shown["cycle_time_s"]["completed"]["p50"] <= shown["cycle_time_s"]["completed"]["p99"]


def test_the_picture_goes_into_its_file(saga: Saga, tmp_path: Path) -> None:
    said = saga.does(*FEW, "--plot", "load.svg", "--json")

    assert set(said.json) == KEYS
    assert (tmp_path / "load.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_another_seed_is_another_run(saga: Saga) -> None:
    one, other, same = (saga.does(*FEW, "--seed", seed, "--json").out for seed in ("7", "8", "7"))

    assert one == same != other


def test_the_same_seed_gives_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    shown = []
    for number in ("1", "2"):
        plot = tmp_path / f"{number}.svg"
        done = subprocess.run(
            [sys.executable, "-m", "saga_coordinator.service.cli", *FEW, "--seed", "5", "--json", "--plot", plot],
            env=os.environ | {"PYTHONHASHSEED": number, "PYTHONPATH": SOURCES},
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        shown.append((done.stdout, plot.read_bytes()))

    assert shown[0] == shown[1]
    assert json.loads(shown[0][0])["seed"] == 5


def test_a_saga_that_there_is_not_ends_with_1(saga: Saga) -> None:
    said = saga("simulate", "order-fulfillment", "--participants", EXAMPLE)

    assert said.code == 1
    assert said.err == "saga: there is no saga 'order-fulfillment' in the catalog; it has order-fulfilment\n"


def test_a_wrong_model_ends_with_2_and_every_reason(saga: Saga, tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text("[default]\nlost = 2\n[arrivals]\nrate = 0\n")

    said = saga("simulate", "order-fulfilment", "--participants", "model.toml")

    assert said.code == 2
    assert [line.split(": ")[:2] for line in said.err.splitlines()] == [
        ["model.toml:4", "arrivals.rate"],
        ["model.toml:2", "default.lost"],
    ]


@pytest.mark.parametrize(
    "arguments",
    [["--participants", "nowhere.toml"], [], ["--participants", EXAMPLE, "--instances", "0"],
     ["--participants", EXAMPLE, "--seed", "one"]],
)  # fmt: skip
def test_a_wrong_command_line_ends_with_2(saga: Saga, arguments: list[str]) -> None:
    assert saga("simulate", "order-fulfilment", *arguments).code == 2


def test_a_picture_that_cannot_be_written_ends_with_1(saga: Saga) -> None:
    said = saga(*FEW, "--plot", "no/such/folder.svg")

    assert said.code == 1
    assert "no/such/folder.svg" in said.err
