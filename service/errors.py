"""The error of whoever needs a part that is not there: a demo that cannot begin, a wish before Kafka was reached."""


class NotReady(RuntimeError):
    """A part that is needed did not start, was not reached yet, or ended badly: the text says which, and why."""
