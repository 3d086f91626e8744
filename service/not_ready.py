"""The error of a demo or a benchmark that cannot begin."""


class NotReady(RuntimeError):
    """A part that this run needs did not start, or ended badly: the text says which, and what it said."""
