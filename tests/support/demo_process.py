"""The demo's programs with all their options: `python -m tests.support.demo_process participants|load|audit`."""

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from saga_coordinator.service.demo.audit import audit
from saga_coordinator.service.demo.behaviour import Behaviour, from_json
from saga_coordinator.service.demo.journal import Journal
from saga_coordinator.service.demo.ledger import read_ledgers
from saga_coordinator.service.demo.load import LoadPlan
from saga_coordinator.service.demo.orders import Mix
from saga_coordinator.service.demo.process import print_json, run_load, run_participants


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for until it ends or SIGTERM comes; stdout gets JSON only, one object a line."""
    given = _parser().parse_args(arguments)
    return int(given.run(given))


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m tests.support.demo_process", description=__doc__)
    roles = parser.add_subparsers(required=True, metavar="participants|load|audit")

    participants = roles.add_parser("participants", help="carry out commands until SIGTERM")
    _add_kafka(participants)
    participants.add_argument("--ledgers", type=Path, help="directory of the ledgers; in memory without it")
    participants.add_argument("--behaviour", type=partial(from_json, Behaviour), default=Behaviour(), help="JSON")
    participants.set_defaults(run=_participants)

    load = roles.add_parser("load", help="place orders and wait for their outcomes")
    _add_kafka(load)
    load.add_argument("--orders", type=int, default=sys.maxsize, help="until SIGTERM without it")
    load.add_argument("--window", type=int, default=400, help="orders in flight")
    load.add_argument("--rate", type=float, help="orders a second, instead of a window")
    load.add_argument("--seed", type=int, default=int(time.time()), help="makes the orders; one seed, the same orders")
    load.add_argument("--mix", type=partial(from_json, Mix), default=Mix(), help="JSON; see Mix")
    load.add_argument("--patience", type=float, default=180.0, help="seconds without an outcome before it stops")
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


def _participants(given: Namespace) -> int:
    return run_participants(given.bootstrap_servers, given.ledgers, given.behaviour, given.properties)


def _load(given: Namespace) -> int:
    plan = LoadPlan(orders=given.orders, seed=given.seed, window=given.window, per_s=given.rate, mix=given.mix,
                patience_s=given.patience, settle_s=given.settle)  # fmt: skip
    return run_load(given.bootstrap_servers, plan, given.journal, given.properties)


def _audit(given: Namespace) -> int:
    """Print one line with what was found; return 1 if anything was."""
    journal = Journal.read(given.journal)
    found = audit(read_ledgers(given.ledgers), journal.outcomes, journal.placed)
    print_json({"ok": found.ok, **asdict(found)})
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())
