"""Participants, shop and audit as processes: ready line, SIGTERM, kill -9, exit codes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from saga_coordinator.service.demo.conversation import CONFIRMED
from saga_coordinator.service.demo.journal import Journal, ReceivedOutcome
from saga_coordinator.service.demo.ledger import Effect, EffectLedger, open_ledgers
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.support.demo_process import main
from tests.unit.demo._support.by_hand import command, wait_until
from tests.unit.demo._support.hands import QUICK_TAKEOVER, Hands

PROCESS = "tests.support.demo_process"
ROOT = Path(__file__).parents[3]


@contextmanager
def participants(broker: EmbeddedBroker, ledgers: Path, behaviour: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", PROCESS, "participants", "--bootstrap-servers", broker.bootstrap_servers,
         "--ledgers", str(ledgers), "--behaviour", behaviour, "--properties", json.dumps(QUICK_TAKEOVER)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"] == "participants"
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def test_the_participants_say_when_they_are_ready_and_end_on_sigterm(
    broker: EmbeddedBroker, hands: Hands, tmp_path: Path
) -> None:
    hands.listen("saga.replies.v1")
    with participants(broker, tmp_path, "{}") as process:
        hands.command("reserve-stock", "o-1")
        hands.wait_for(1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)

    assert process.returncode == 0
    ended = json.loads(output)
    assert (ended["commands"], ended["repeats"], ended["malformed"]) == (1, 0, 0)


@pytest.mark.slow
def test_killed_between_effect_and_reply_they_answer_after_a_restart_and_do_nothing_twice_i8(
    broker: EmbeddedBroker, hands: Hands, tmp_path: Path
) -> None:
    hands.listen("saga.replies.v1")
    path = tmp_path / "payments.jsonl"
    with participants(broker, tmp_path, '{"late_replies": {"charge-card": 1.0}, "late_by_s": 3600}') as process:
        hands.command("charge-card", "o-1")
        wait_until(lambda: path.exists() and b"o-1" in path.read_bytes(), "the effect in the ledger")
        os.kill(process.pid, signal.SIGKILL)
    with participants(broker, tmp_path, "{}"):
        (reply,) = hands.wait_for(1)

    ledger = EffectLedger.read(path)
    assert dict(reply.headers)["ce_type"] == b"payments.card-charged.v1"
    assert [entry.effect for entry in ledger.entries] == [Effect.DONE]
    assert ledger.repeats == 1


def test_the_audit_of_what_processes_left_ends_with_0_or_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledgers = open_ledgers(tmp_path)
    for name in ("reserve-stock", "charge-card", "ship-order", "notify-customer"):
        it = command(name, "o-1")
        ledgers[it.kind.participant].execute(it, None)
    for ledger in ledgers.values():
        ledger.close()
    journal = tmp_path / "journal.jsonl"
    asked = ["audit", "--ledgers", str(tmp_path), "--journal", str(journal)]

    Journal({"o-1": False}, [ReceivedOutcome("o-1", CONFIRMED, "x", "{}")]).write(journal)
    assert main(asked) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True

    Journal({"o-1": False, "o-2": False}, [ReceivedOutcome("o-1", CONFIRMED, "x", "{}")]).write(journal)
    assert main(asked) == 1
    assert json.loads(capsys.readouterr().out)["lost"] == ["order o-2 was placed and has no outcome"]


def test_a_load_without_a_coordinator_ends_with_1_and_names_what_is_missing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", PROCESS, "load", "--bootstrap-servers", broker.bootstrap_servers,
         "--orders", "3", "--seed", "5", "--patience", "0.3", "--settle", "0", "--journal", str(journal)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=30, check=False,
    )  # fmt: skip

    report = json.loads(done.stdout)
    assert (done.returncode, report["orders"], report["missing"]) == (1, 3, 3)
    assert len(Journal.read(journal).placed) == 3
