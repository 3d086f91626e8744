"""Orders that go through a service while something is done to it, on the embedded broker: placed, answered, counted."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from saga_coordinator.service.demo.audit import audit
from saga_coordinator.service.demo.ledger import read_ledgers
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.acceptance._support import evidence
from tests.acceptance._support.processes import SHORT_TIMEOUTS, Participants, Serve
from tests.acceptance._support.shop import Shop
from tests.acceptance._support.until import until
from tests.integration._support.on_broker import TOPICS
from tests.support.postgres.databases import Database

SOON: dict[str, str] = {"SAGA_KAFKA__SESSION_TIMEOUT": "2", "SAGA_KAFKA__REQUEST_TIMEOUT": "2"}
"""The embedded broker reassigns partitions soon, and unanswered requests count as lost soon."""


@dataclass
class Business:
    """A service and its participants, and the shops that were opened so far; `ending` closes all of them."""

    ending: ExitStack
    folder: Path
    address: str
    serve: Serve
    participants: Participants
    shops: list[Shop] = field(default_factory=list)
    open: Shop | None = None

    def order(self, orders: int) -> Shop:
        """Open one more shop, that places so many orders."""
        return self._opened(orders=orders, window=10)

    def keep_ordering(self, *, window: int = 10) -> Shop:
        """Open a shop that places orders until `ends`, and wait until the service is at work."""
        self.open = self._opened(window=window)
        self.is_at_work()
        return self.open

    def is_at_work(self, more: int = 50) -> None:
        """Wait until the service has done so much more."""
        before = evidence.count(self.serve.used, "history")
        until(lambda: evidence.count(self.serve.used, "history") >= before + more, "the service is at work")

    def is_not_ready(self, *words: str, within: float = 30.0) -> str:
        """Wait until readiness fails for a reason that has these words, and return what it says."""

        def reason() -> str | None:
            answer = self.serve.get("/readyz")
            assert answer is not None, "the API does not answer"
            return answer.body if answer.status == 503 and all(word in answer.body for word in words) else None

        return until(reason, f"not ready because of {words}: {self.serve.get('/readyz')}", within)

    def ends(self, within: float = 60.0) -> None:
        """See the service at work, every order end once, and everything stop well."""
        if self.open:
            self.is_at_work()
            self.open.close(within)
        for shop in self.shops:
            shop.ends(within)
        assert self.serve.stop() == self.participants.stop() == 0
        placed = {key: value for shop in self.shops for key, value in shop.journal.placed.items()}
        outcomes = [each for shop in self.shops for each in shop.journal.outcomes]
        found = audit(read_ledgers(self.participants.ledgers), outcomes, placed)
        assert found.violations == ()

    def _opened(self, **options: int) -> Shop:
        number = len(self.shops)
        shop = Shop(self.folder, self.address, mix={}, name=f"shop-{number}", seed=number, **options)
        self.ending.enter_context(shop)
        shop.start()
        self.shops.append(shop)
        return shop


@contextmanager
def business(folder: Path, store: Path | None = None, database: Database | None = None) -> Iterator[Business]:
    """Start a service and its participants on an embedded broker."""
    with (
        EmbeddedBroker(TOPICS) as broker,
        business_on(broker.bootstrap_servers, folder, store, database=database) as opened,
    ):
        yield opened


@contextmanager
def business_on(
    address: str,
    folder: Path,
    store: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
    behaviour: Mapping[str, object] = MappingProxyType({"think_time_s": 0.02}),
    *,
    database: Database | None = None,
) -> Iterator[Business]:
    """Start a service and its participants, with the database in a folder of its own if `store` is given."""
    with (
        Serve(store or folder, address, database, **{"SAGA_CATALOG": SHORT_TIMEOUTS, **SOON, **variables}) as serve,
        Participants(folder, address, behaviour) as participants,
        ExitStack() as ending,
    ):
        serve.start()
        participants.start()
        yield Business(ending, folder, address, serve, participants)
