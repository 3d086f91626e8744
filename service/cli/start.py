"""What every verb needs before it runs: the sagas of the working directory, and silent libraries."""

import logging
import sys
from pathlib import Path


def import_from_working_directory() -> None:
    """Let `MODULE:NAME` be found in the working directory first, as `python -m` does."""
    here = str(Path.cwd())
    if sys.path[0] != here:
        sys.path.insert(0, here)


def silence_libraries() -> None:
    """Drop the log of Kafka's client while it tries: the verb itself reports the result."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
