"""The disk fails below the database: whole transactions fail, readiness reports it, it recovers (I17, I34)."""

import signal
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance._support import evidence
from tests.acceptance._support.business import Business, business
from tests.acceptance._support.disk import Trouble, full, locked, read_only, small_disk, stuck
from tests.acceptance._support.processes import STOP_WITHIN_S
from tests.acceptance._support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LONGER_THAN_A_LOCK_IS_WAITED_FOR_S: Final = 15.0


def test_a_full_disk_stops_everything_whole_and_nothing_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, business(tmp_path, disk) as shop:
        suffers(shop, full, "full", "make room")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        pytest.param(read_only, ("disk I/O error", "may be written to"), id="read-only"),
        pytest.param(locked, ("locked", "end the other program"), id="locked"),
    ],
)
def test_a_database_that_takes_no_writes_stops_everything_whole_and_nothing_is_lost(
    tmp_path: Path, trouble: Trouble, words: tuple[str, ...]
) -> None:
    with business(tmp_path) as shop:
        suffers(shop, trouble, *words)


def test_a_disk_that_does_not_answer_keeps_it_from_being_ready_and_not_from_ending_i35(tmp_path: Path) -> None:
    with business(tmp_path) as shop:
        shop.keep_ordering()
        [pid] = [line["pid"] for line in shop.serve.objects() if line["event"] == "serving"]
        with stuck(pid):
            shop.is_not_ready('"store"', "a transaction has not ended for 10 s", "see that the disk answers")
            shop.serve.send(signal.SIGTERM)
            until(lambda: "not ended within 28 s" in shop.serve.log, "it ends itself", STOP_WITHIN_S)
        assert shop.serve.ended(within=5) == 1, "its last thread has waited for the disk"
        shop.serve.start()
        shop.ends()


def suffers(shop: Business, trouble: Trouble, *words: str) -> None:
    """Let the disk fail in the middle of the work, while more orders come."""
    store = shop.serve.store
    shop.keep_ordering()
    with trouble(store):
        reported = shop.is_not_ready('"store"', str(store), *words)
        assert '"kafka": "' not in reported, "it is not Kafka's fault"
        assert shop.serve.get("/livez") == (200, shop.serve.get("/livez").body)  # type: ignore[union-attr]
        assert shop.serve.get("/metrics") is not None
        assert shop.serve.verb("ls", "--json").returncode == 0
        shop.is_not_ready('"store"')
        assert is_whole(store), "something was written in parts"
    shop.serve.is_ready_within(15)
    shop.ends()


def is_whole(store: Path) -> bool:
    """Whether the tables agree that one transaction writes together: small ones may still find room."""
    written = "SELECT (SELECT count(*) FROM history), (SELECT sum(revision) FROM instance)"
    return all(rows == revisions for rows, revisions in evidence.rows(store, written))
