"""Tasks that a client of aiokafka runs for itself. One that has ended is missed by nobody, and what it did is not done.

Without the task that learns of brokers and topics, for one, every request waits for ever; without the one that fetches
no record ever comes. They end by any exception that aiokafka does not expect, and the client has to be replaced.
"""

from saga_coordinator.service.kafka.aiokafka_internals import Task


def lost(*tasks: Task | None) -> BaseException | None:
    """Return by what the first of these tasks has ended, though nobody has cancelled it; None: none has."""
    for task in tasks:
        if task is not None and task.done() and not task.cancelled() and (error := task.exception()):
            return error
    return None
