"""Errors that more than one part of the service raises."""


class NotReady(RuntimeError):
    """A part that is needed did not start, was not reached yet, or has failed; the message says which, and why."""


class BrokerError(RuntimeError):
    """A broker that this project starts, embedded or real, cannot be fetched, started or used; the message says why."""


class StoreError(Exception):
    """The store failed, cannot be used as it is, or is in use already; the message says why, and what to do."""
