"""A clock for one process alone, which the test sets: libfaketime gives it, and leaves the monotonic one as it is."""

import platform
import time
from pathlib import Path
from typing import Final

from tests.support.kafka_fixtures import give_up

LIBRARIES: Final = (
    Path(f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1"),
    Path("/usr/lib/faketime/libfaketime.so.1"),
    Path("/usr/lib64/faketime/libfaketime.so.1"),
)


class FakeClock:
    """Runs as the real one does, so many seconds before or behind it."""

    def __init__(self, folder: Path) -> None:
        """Set it to the true time. Where there is no libfaketime the test is given up."""
        library = next((each for each in LIBRARIES if each.exists()), None)
        if library is None:
            give_up("it needs a clock that can be set: install the package libfaketime")
        self._file = folder / "clock"
        self.variables: Final = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without a cache it reads the file each time it is asked
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        """Set it to so many seconds before the true time, or behind it if they are negative."""
        self._ahead = seconds
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    @property
    def now(self) -> float:
        """What it shows, in seconds since 1970."""
        return time.time() + self._ahead
