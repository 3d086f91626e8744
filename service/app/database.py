"""The file of the database that SAGA_STORE names: its backup, its way back, and its check."""

from pathlib import Path

from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.sqlite import backup as sqlite
from saga_coordinator.service.storage.sqlite.backup import Checked, Restored


def backup(settings: Settings, target: Path) -> int:
    """Copy the database to a new file, and return its bytes; see `sqlite.backup.backup`."""
    return sqlite.backup(settings.sqlite_path, target)


def restore(settings: Settings, source: Path) -> Restored:
    """Replace the database by a backup; see `sqlite.backup.restore`."""
    return sqlite.restore(settings.sqlite_path, source)


def check(settings: Settings, file: Path | None) -> tuple[Path, Checked]:
    """Check a file, or the database, and return which it was; see `sqlite.backup.check`."""
    path = file or settings.sqlite_path
    return path, sqlite.check(path)
