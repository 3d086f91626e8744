"""One run of the intake without Kafka, as a process: `python -m tests.bench.intake_process FILE --batch 16`.

It receives the recorded records of FILE in batches on an empty database, publishes by a publisher that acknowledges at
once, and prints JSON: the CPU time of the process (`cpu_us`) and that in user mode (`user_us`) in microseconds a saga,
and with `--parts` that of each part of the loop. The first tenth of the records is not measured. Tracing is what the
OTEL_* variables say.
"""

import asyncio
import gc
import json
import sys
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import process_time

from saga_coordinator.contracts.messages.orders import OrderPlaced
from saga_coordinator.handlers.bootstrap import Handlers
from saga_coordinator.handlers.records import Record
from saga_coordinator.handlers.relay import Relay
from saga_coordinator.service.cli.serve import _loop_factory
from saga_coordinator.service.telemetry.logs import Format, configure
from saga_coordinator.service.telemetry.observer import Telemetry
from tests.bench import parts
from tests.bench.harness import handlers
from tests.bench.recording import TOPICS, read

DELIVERY_TIMEOUT = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure once, and print the figures."""
    parser = ArgumentParser(prog="python -m tests.bench.intake_process", description=__doc__)
    parser.add_argument("records", type=Path, help="file that tests.bench.recording has written")
    parser.add_argument("--batch", type=int, required=True, help="records a batch")
    parser.add_argument("--parts", action="store_true", help="measure each part of the loop, which costs time itself")
    given = parser.parse_args(arguments)
    configure("warning", Format.JSON)
    clock = parts.install() if given.parts else None
    with TemporaryDirectory(prefix="saga-bench-") as folder, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        figures = runner.run(_measure(read(given.records), given.batch, Path(folder) / "saga.db", clock))
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


async def _measure(
    records: Sequence[Record], batch: int, database: Path, clock: parts.PartClock | None
) -> dict[str, float]:
    telemetry = Telemetry("saga-coordinator")
    telemetry.start()
    warm_up = len(records) // 10 // batch * batch
    async with handlers(database, TOPICS, telemetry, telemetry.sampler) as wired:
        gc.collect()  # from here on as the service does
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        async with _running(wired.relay):
            await _receive(wired, records[:warm_up], batch)
            before = _Cpu.now(clock)
            await _receive(wired, records[warm_up:], batch)
            await telemetry.stop(DELIVERY_TIMEOUT)
            used = _Cpu.now(clock).since(before)
    sagas = sum(each.place.topic == OrderPlaced.topic for each in records) * (1 - warm_up / len(records))
    return {figure: round(seconds * 1e6 / sagas, 2) for figure, seconds in used.items()}


async def _receive(wired: Handlers, records: Sequence[Record], batch: int) -> None:
    """Receive records in batches, and return when their messages are acknowledged and deleted."""
    for first in range(0, len(records), batch):
        await wired.intake.receive(records[first : first + batch])
        await asyncio.sleep(0)
    await wired.relay.wait_until_drained()


@asynccontextmanager
async def _running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        await asyncio.sleep(0)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class _Cpu(dict[str, float]):
    """CPU seconds so far, by figure."""

    @classmethod
    def now(cls, clock: parts.PartClock | None) -> "_Cpu":
        total = {"cpu_us": process_time(), "user_us": getrusage(RUSAGE_SELF).ru_utime}
        return cls(total if clock is None else clock.read())

    def since(self, before: "_Cpu") -> dict[str, float]:
        return {figure: seconds - before[figure] for figure, seconds in self.items()}


if __name__ == "__main__":
    sys.exit(main())
