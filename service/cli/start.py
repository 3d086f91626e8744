"""What happens before any verb: sagas are importable from where the command is given, libraries keep quiet."""

import logging
import sys
from pathlib import Path


def import_from_working_directory() -> None:
    """Let `MODULE:NAME` be found in the working directory, after everything that is installed."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def silence_libraries() -> None:
    """Drop what Kafka's client says while it tries: the verb itself tells what came of it."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
