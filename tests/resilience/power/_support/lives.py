"""Lives that follow each other: the power of each is cut off at any moment, and the next goes on with what is left."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.resilience.power._support.accounts import check_ended, check_left
from tests.resilience.power._support.life import Course, lived
from tests.resilience.power._support.neighbours import Acknowledged, Image, Neighbours, Note, Seen, image
from tests.resilience.power._support.power_cut import after_power_cut
from tests.resilience.power._support.recording_disk import DiskEvent, Synced, recording

AT_FIRST, MORE = 8, 2
"""Orders of the first life, and how many more are placed in each later one."""

CUTS, SOON = 10, 100
"""So often each life is cut off, the last time for good; so many events are soon after another."""

DATABASE = "saga.db"


class FailingSyncs:
    """Says of each sync whether it fails: of all, or of the database alone, some do, as often as is left."""

    def __init__(self, chance: Random, left: int) -> None:
        self._chance = chance
        self._left = left
        self._share, self._ending = chance.choice(((0.05, ""), (0.3, DATABASE)))

    def __call__(self, name: str) -> bool:
        """Let the sync of a file fail, or not."""
        fails = self._left > 0 and name.endswith(self._ending) and self._chance.random() < self._share
        self._left -= fails
        return fails


@dataclass(frozen=True)
class Life:
    """Everything that happened, in order: `events` from when it began, `before` what was known then."""

    before: list[DiskEvent | Note]
    events: list[DiskEvent | Note]


@dataclass(frozen=True)
class Cut:
    """What is left on the disk, what the neighbours know, and how the database may stand.

    Either as when it was last acknowledged, or as it was about to be, or may have been after a sync that failed.
    """

    files: dict[str, bytes]
    notes: list[Note]
    images: list[Image]


NOTHING = Cut({}, [], [{}])


async def after_cuts(folder: Path, seed: int, lives: int, failing: int = 0) -> int:
    """Live so many lives one after the other, with so many failing syncs in each, and look at each after many cuts.

    Returns the number of cuts. Raises `AssertionError` at the first that was not survived.
    """
    chance, cut, cuts = Random(seed), NOTHING, 0
    for number in range(lives):
        place = folder / f"{seed}-{number}"
        try:
            course = chance, AT_FIRST + MORE * number
            life = await _live(_written(place, cut), cut, course, FailingSyncs(chance, failing))
            for _ in range(CUTS):
                cuts += 1
                cut = _cut_off(life, chance)
                _look_at(folder / f"{seed}-{number}-{cuts}", cut)
        except Exception as error:
            raise AssertionError(f"not survived: seed {seed}, life {number}, cut {cuts}; see {folder}") from error
    return cuts


def _cut_off(life: Life, chance: Random) -> Cut:
    """Cut the power off: at any moment, or when a note was just written, or soon after a sync has failed."""
    noted = [at for at, each in enumerate(life.events, 1) if isinstance(each, Note)]
    failed = [at for at, each in enumerate(life.events, 1) if isinstance(each, Synced) and not each.is_done]
    soon = [min(len(life.events), at + chance.randint(0, SOON)) for at in failed]
    moment = chance.choice([chance.randint(0, len(life.events)), chance.choice(noted), *soon])
    happened = [*life.before, *life.events[:moment]]
    files = after_power_cut([each for each in happened if isinstance(each, DiskEvent)], chance)
    known = [each for each in happened if isinstance(each, Acknowledged | Seen)]
    last = max(at for at, each in enumerate(known) if isinstance(each, Acknowledged))
    following = [each for each in life.events[moment:] if isinstance(each, Acknowledged | Seen)][:1]
    images = [each.image for each in (*known[last:], *following)]
    return Cut(files, [each for each in happened if isinstance(each, Note)], images)


def _look_at(folder: Path, cut: Cut) -> None:
    """Look at a copy of what is left: to open a database is to repair it."""
    check_left(_written(folder, cut) / DATABASE, cut.images, Neighbours(cut.notes).published)
    shutil.rmtree(folder)


async def _live(folder: Path, cut: Cut, course: Course, fails: FailingSyncs) -> Life:
    """Live on with what is left, until so many orders have ended, and see that all is well then."""
    database, events = folder / DATABASE, list[DiskEvent | Note]()
    neighbours = Neighbours(cut.notes, events.append)
    events.append(Acknowledged(_seen(folder)))
    with recording(folder, events.append, fails):
        began = len(events)
        while not await lived(database, neighbours, course, events.append):
            events.append(Seen(_seen(folder)))
    check_ended(database, neighbours)
    return Life(events[:began], events[began:])


def _seen(folder: Path) -> Image:
    """Return how a database looks that nobody has open, without opening it."""
    copy = folder.with_name(f"{folder.name}-seen")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    seen = image(copy / DATABASE)
    shutil.rmtree(copy)
    return seen


def _written(folder: Path, cut: Cut) -> Path:
    folder.mkdir()
    for name, content in cut.files.items():
        (folder / name).write_bytes(content)
    return folder
