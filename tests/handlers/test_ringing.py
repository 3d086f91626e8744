"""When alarms ring: not while more is unsent than may be, for what they ask again would only be added to it (I33)."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from service import run as running
from service.settings import Settings
from tests.handlers.coordinator import Coordinator, coordinator
from tests.handlers.eventually import eventually
from tests.handlers.order_log import Log
from tests.handlers.test_relay import Gate, relaying

HOUR = timedelta(hours=1)


async def test_nothing_rings_while_too_much_is_unsent_and_all_does_afterwards_i20_i33(tmp_path: Path) -> None:
    log, gate = Log(), Gate()
    gate.open.clear()
    async with coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        await it.take(*(log.placed(f"o-{number}") for number in range(4)))
        it.clock.pass_by(HOUR)
        looks = Looks(it)
        ringing = asyncio.create_task(running._ring(service(it, looks), it.watcher))  # noqa: SLF001  one loop of the service
        await eventually(lambda: looks.count > 3 or len(it.owed) > 8, "it has rung, or looked whether it may")
        assert len(it.owed) == 8, "nothing is asked again while it cannot leave"

        gate.open.set()
        await eventually(lambda: len(it.owed) > 8, "what was due is asked again")
        ringing.cancel()
        with suppress(asyncio.CancelledError):
            await ringing
        await it.relay.drained()


class Looks:
    """The relay, and how often it was asked how much is unsent."""

    def __init__(self, it: Coordinator) -> None:
        self._relay = it.relay
        self.count = 0

    @property
    def pending(self) -> int:
        self.count += 1
        return self._relay.pending


def service(it: Coordinator, relay: Looks) -> Any:  # noqa: ANN401  as much of a service as rings
    """What rings of a service: what came in the down time is taken in, and 7 messages may be unsent."""
    caught_up = asyncio.Event()
    caught_up.set()
    return SimpleNamespace(
        settings=Settings(most_unsent=7), feed=SimpleNamespace(caught_up=caught_up), alarms=it.alarms, relay=relay
    )
