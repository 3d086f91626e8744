"""Fixtures of the handlers, for the store below them."""

from tests.unit.handlers.conftest import coordinator

__all__ = ["coordinator"]
