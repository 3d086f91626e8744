"""Lives that follow each other: the power of each is cut off at any moment, and the next goes on with what is left."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.power.accounts import check_ended, check_left
from tests.power.life import Acknowledged, Image, Neighbours, Note, image, lived
from tests.power.power_cut import after_power_cut
from tests.power.recording_disk import DiskEvent, recording

AT_FIRST, MORE = 8, 2
"""Orders of the first life, and how many more are placed in each later one."""

DATABASE = "saga.db"


@dataclass(frozen=True)
class Life:
    """Everything that happened, in order: `events` from when it began, `before` what was known then."""

    before: list[DiskEvent | Note]
    events: list[DiskEvent | Note]


@dataclass(frozen=True)
class Cut:
    """What is left on the disk, what the neighbours know, and how the database may stand.

    Either as when it was last acknowledged, or as it was about to be.
    """

    files: dict[str, bytes]
    notes: list[Note]
    images: list[Image]


NOTHING = Cut({}, [], [{}])


async def after_cuts(folder: Path, seed: int, cuts: int) -> None:
    """Live, be cut off, and live on, so many times. Raises `AssertionError` at the first cut that was not survived."""
    chance, cut = Random(seed), NOTHING
    for number in range(cuts + 1):
        place = folder / f"{seed}-{number}"
        try:
            left = _looked_at(place.with_name(f"{place.name}-copy"), cut)
            life = await _live(place, cut, left, (chance, AT_FIRST + MORE * number))
        except Exception as error:
            raise AssertionError(f"seed {seed}: what cut {number} of {cuts} has left in {place} is wrong") from error
        cut = _cut_off(life, chance)


def _cut_off(life: Life, chance: Random) -> Cut:
    """Cut the power off at any moment; every other time it is one when something was just told."""
    moment = chance.randint(0, len(life.events))
    if chance.random() < 0.5:
        moment = chance.choice([at for at, each in enumerate(life.events, 1) if isinstance(each, Note)])
    happened = [*life.before, *life.events[:moment]]
    files = after_power_cut([each for each in happened if isinstance(each, DiskEvent)], chance)
    last = [each.image for each in happened if isinstance(each, Acknowledged)][-1:]
    following = [each.image for each in life.events[moment:] if isinstance(each, Acknowledged)][:1]
    return Cut(files, [each for each in happened if isinstance(each, Note)], last + following)


def _looked_at(folder: Path, cut: Cut) -> Image:
    """Look at a copy of what is left, and return how the database stands: to open one is to repair it."""
    database = _written(folder, cut) / DATABASE
    check_left(database, cut.images, Neighbours(cut.notes).published)
    return image(database)


async def _live(folder: Path, cut: Cut, left: Image, course: tuple[Random, int]) -> Life:
    """Live on with what is left, until so many orders have ended, and see that all is well then."""
    database, told = _written(folder, cut) / DATABASE, list[DiskEvent | Note]()
    neighbours = Neighbours(cut.notes, told.append)
    told.append(Acknowledged(left))
    with recording(folder, told.append):
        began = len(told)
        await lived(database, neighbours, course, told.append)
    check_ended(database, neighbours)
    return Life(told[:began], told[began:])


def _written(folder: Path, cut: Cut) -> Path:
    folder.mkdir()
    for name, content in cut.files.items():
        (folder / name).write_bytes(content)
    return folder
