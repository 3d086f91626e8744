"""`saga version`: the version of the package."""

from importlib.metadata import version as version_of

import typer


def version() -> None:
    """Print the version."""
    typer.echo(f"saga-coordinator {version_of('saga-coordinator')}")
