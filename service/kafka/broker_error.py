"""The one error of the brokers that this project starts by itself, embedded or real."""


class BrokerError(RuntimeError):
    """A broker of our own cannot be fetched, cannot start, or refuses what it was asked; the message says why."""
