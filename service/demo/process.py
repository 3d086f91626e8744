"""Participants, shop and audit as processes of their own: `python -m ... participants|load|audit`."""

import gc
import json
import signal
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Final

from saga_coordinator.service.demo.audit import audit
from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.clients import Properties
from saga_coordinator.service.demo.conversation import PARTICIPANTS
from saga_coordinator.service.demo.journal import Journal
from saga_coordinator.service.demo.ledger import read_ledgers
from saga_coordinator.service.demo.load import Load, Plan, Rate, Window
from saga_coordinator.service.demo.orders import Mix
from saga_coordinator.service.demo.participants import GROUP, Participants

_READY_POLL_S: Final = 0.1
_OBJECTS_BEFORE_COLLECTING: Final = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for until it ends or SIGTERM comes; stdout gets JSON only, one object a line."""
    asked = _parser().parse_args(arguments)
    return int(asked.run(asked))


def run_participants(
    bootstrap_servers: str, ledger_dir: Path | None, behaviour: Behaviour, properties: Properties
) -> int:
    """The five participants, until SIGTERM or SIGINT: a line when they are ready, and one when they have ended."""
    _tune_garbage_collector()
    stop = _stop_on_signals()
    participants = Participants(bootstrap_servers, ledger_dir, behaviour, properties=properties)
    running = threading.Thread(target=_report_ready, args=(participants, stop), name="ready", daemon=True)
    running.start()
    participants.run(stop)
    running.join()
    repeats = sum(each.repeats for each in participants.ledgers.values())
    _print_json({"ended": "participants", "commands": participants.commands, "repeats": repeats,
           "malformed": participants.malformed, "cpu_s": round(time.process_time(), 3)})  # fmt: skip
    return 0


def run_load(bootstrap_servers: str, plan: Plan, journal: Path | None, properties: Properties) -> int:
    """The shop: one line with the report; 1 if an order has no outcome or more than one."""
    _tune_garbage_collector()
    load = Load(bootstrap_servers, plan, properties=properties)
    report = load.run(_stop_on_signals())
    if journal is not None:
        load.journal.write(journal)
    _print_json({**asdict(report), "cpu_s": round(time.process_time(), 3)})
    return 1 if report.missing or report.second_outcomes else 0


def run_audit(ledger_dir: Path, journal: Path) -> int:
    """One line with what was found; 1 if anything was."""
    known = Journal.read(journal)
    found = audit(read_ledgers(ledger_dir), known.outcomes, known.placed)
    _print_json({"ok": found.ok, **asdict(found)})
    return 0 if found.ok else 1


def _tune_garbage_collector() -> None:
    """Ledgers and journals only grow and hold no cycles: the collector would walk through them in vain."""
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)


def _report_ready(participants: Participants, stop: threading.Event) -> None:
    while not stop.is_set():
        if participants.ready.wait(_READY_POLL_S):
            _print_json({"ready": "participants", "names": PARTICIPANTS, "group": GROUP})
            return


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    return stop


def _print_json(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m saga_coordinator.service.demo.process", description=__doc__)
    roles = parser.add_subparsers(required=True, metavar="participants|load|audit")

    participants = roles.add_parser("participants", help="carry out commands until SIGTERM")
    _add_kafka(participants)
    participants.add_argument("--ledgers", type=Path, help="directory of the ledgers; in memory without it")
    participants.add_argument("--behaviour", type=Behaviour.from_json, default=Behaviour(), help="JSON; see Behaviour")
    participants.set_defaults(run=_participants)

    load = roles.add_parser("load", help="place orders and wait for their outcomes")
    _add_kafka(load)
    load.add_argument("--orders", type=int, default=200)
    load.add_argument("--window", type=int, default=400, help="orders in flight")
    load.add_argument("--rate", type=float, help="orders a second, instead of a window")
    load.add_argument("--seed", type=int, default=int(time.time()), help="makes the orders; one seed, the same orders")
    load.add_argument("--mix", type=Mix.from_json, default=Mix(), help="JSON; see Mix")
    load.add_argument("--patience", type=float, default=60.0, help="seconds without an outcome before it gives up")
    load.add_argument("--settle", type=float, default=1.0, help="seconds to wait for a second outcome at the end")
    load.add_argument("--journal", type=Path, help="file for orders and outcomes, for the audit")
    load.set_defaults(run=_load)

    auditor = roles.add_parser("audit", help="was anything lost or done twice?")
    auditor.add_argument("--ledgers", type=Path, required=True)
    auditor.add_argument("--journal", type=Path, required=True)
    auditor.set_defaults(run=_audit)
    return parser


def _add_kafka(parser: ArgumentParser) -> None:
    parser.add_argument("--bootstrap-servers", required=True, help="host:port,host:port")
    parser.add_argument("--properties", type=json.loads, default={}, help="JSON; further properties of librdkafka")


def _participants(asked: Namespace) -> int:
    return run_participants(asked.bootstrap_servers, asked.ledgers, asked.behaviour, asked.properties)


def _load(asked: Namespace) -> int:
    pace = Window(asked.window) if asked.rate is None else Rate(asked.rate)
    plan = Plan(orders=asked.orders, seed=asked.seed, pace=pace, mix=asked.mix,
                patience_s=asked.patience, settle_s=asked.settle)  # fmt: skip
    return run_load(asked.bootstrap_servers, plan, asked.journal, asked.properties)


def _audit(asked: Namespace) -> int:
    return run_audit(asked.ledgers, asked.journal)


if __name__ == "__main__":
    sys.exit(main())
