"""The names of the checks that readiness depends on."""

KAFKA = "kafka"
"""The consumer has its partitions, and the broker answers."""
PUBLISHER = "publisher"
"""The producer has connected, and every topic is there."""
STORE = "store"
"""The database takes transactions."""

ALL = (KAFKA, PUBLISHER, STORE)
