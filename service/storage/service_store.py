"""The store as the service runs it: the port of the handlers, opened and closed, counted and checkpointed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from saga_coordinator.handlers.ports import LeaseStore, Observer, Store
from saga_coordinator.handlers.routing import LiveVersions
from saga_coordinator.service.counts import Counts


class ServiceStore(Store, LeaseStore, Protocol):
    """A store that is opened with `open`, and closed with `close` on every path. Its methods raise `StoreError`."""

    async def open(self) -> None:
        """Make the store ready, and bring its schema up to date."""

    async def close(self) -> None:
        """Wait for the running transaction, and release everything."""

    async def run_checkpoints(self, observer: Observer) -> None:
        """Do what the store needs beside the transactions. Raises when nothing more can be written."""

    async def live_versions(self) -> Sequence[LiveVersions]:
        """Return the sagas and versions that have live instances, how many, and the keys of a few."""

    async def outlines(self) -> Mapping[tuple[str, int], str]:
        """Return the outlines of definitions, by saga and version, as their instances started by them."""

    async def set_outlines(self, outlines: Mapping[tuple[str, int], str]) -> None:
        """Add outlines, or replace them."""

    async def newest_entry(self) -> datetime:
        """Return the time of the newest entry of a history; without one, the earliest time there is."""

    async def doubts(self) -> Mapping[str, str]:
        """Return the instances that stall when they start, each with the reason."""

    async def set_doubts(self, doubts: Mapping[str, str]) -> None:
        """Replace them."""

    async def counts(self, now: datetime) -> Counts:
        """Return what the metrics show of the database."""
