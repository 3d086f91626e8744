"""The project's files, as the tests of its architecture see them."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = f"{ROOT / 'src'}:{ROOT}"
"""The PYTHONPATH on which a process imports these sources, seeded ones too, and not an installed package."""
LAYERS = ("service", "handlers", "sagas", "contracts")
PURE_LAYERS = ("sagas", "contracts")


def modules(*layers: str) -> list[Path]:
    """The Python files of these layers (of all four, if none is named), sorted; each layer has at least one."""
    found: list[Path] = []
    for layer in layers or LAYERS:
        files = sorted((ROOT / layer).rglob("*.py"))
        assert files, f"{layer}/ holds no Python file: is {ROOT} the project?"
        found.extend(files)
    return found


def parsed(module: Path) -> ast.Module:
    """The syntax tree of one module."""
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def shown(path: Path) -> str:
    """The path as a person types it, from the top of the project."""
    return path.relative_to(ROOT).as_posix()


def tracked_files() -> Iterator[Path]:
    """Every file that git tracks or would add; without git (an unpacked archive) every file but the hidden folders'."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        candidates = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        candidates = [path for path in ROOT.rglob("*") if not _is_generated(path)]
    return (path for path in candidates if path.is_file())


def _is_generated(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return "__pycache__" in parts or (parts[0].startswith(".") and parts[0] != ".ci")
