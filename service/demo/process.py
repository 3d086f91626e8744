"""Participants and shop as processes of their own: they run until they end or SIGTERM comes, and print JSON lines."""

import gc
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Final

from saga_coordinator.service.demo.behaviour import Behaviour
from saga_coordinator.service.demo.clients import Properties
from saga_coordinator.service.demo.conversation import PARTICIPANTS
from saga_coordinator.service.demo.load import LoadPlan, Shop
from saga_coordinator.service.demo.participants import GROUP, Participants

_GC_THRESHOLD: Final = 100_000
"""Ledgers and journals only grow and hold no cycles: the collector would find nothing in them."""


def run_participants(
    bootstrap_servers: str, ledger_dir: Path | None, behaviour: Behaviour, properties: Properties
) -> int:
    """Run the five participants until SIGTERM or SIGINT: print a line when they are ready, and one at their end."""
    gc.set_threshold(_GC_THRESHOLD)
    stop = threading.Event()
    _on_signals(stop.set)
    ready: dict[str, object] = {"ready": "participants", "names": PARTICIPANTS, "group": GROUP}
    participants = Participants(
        bootstrap_servers, ledger_dir, behaviour, on_ready=lambda: print_json(ready), properties=properties
    )
    participants.run(stop)
    handler = participants.handler
    repeats = sum(each.repeats for each in handler.ledgers.values())
    print_json({"ended": "participants", "commands": handler.commands, "repeats": repeats,
                "malformed": handler.malformed, "cpu_s": round(time.process_time(), 3)})  # fmt: skip
    return 0


def run_load(bootstrap_servers: str, plan: LoadPlan, journal: Path | None, properties: Properties) -> int:
    """Run the shop: print one line with the report; return 1 if an order has no outcome or more than one.

    On SIGTERM or SIGINT it places no more orders and waits for the outcomes; on a second one it stops at once.
    """
    gc.set_threshold(_GC_THRESHOLD)
    load, stop = Shop(bootstrap_servers, plan, properties=properties), threading.Event()
    _on_signals(load.close, stop.set)
    report = load.run(stop)
    if journal is not None:
        load.journal.write(journal)
    print_json({**asdict(report), "cpu_s": round(time.process_time(), 3)})
    return 1 if report.missing or report.second_outcomes else 0


def print_json(value: dict[str, object]) -> None:
    """Print an object on a line of its own."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _on_signals(*actions: Callable[[], None]) -> None:
    """Take the first action at the first SIGTERM or SIGINT, the second at the second; the last one also later."""
    waiting = iter(actions)

    def act(_signal: int, _frame: FrameType | None) -> None:
        next(waiting, actions[-1])()

    signal.signal(signal.SIGTERM, act)
    signal.signal(signal.SIGINT, act)
