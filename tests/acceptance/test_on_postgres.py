"""The service on PostgreSQL: what it has committed outlives its process, and every verb reads it."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance._support import evidence
from tests.acceptance._support.business import business
from tests.acceptance._support.processes import READY_WITHIN_S, saga
from tests.support.postgres.databases import Database, Postgres
from tests.support.postgres.server import binaries, postgres_server
from tests.support.postgres_fixtures import MISSING
from tests.support.shared_server import skip_or_fail

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

KILLS = 3
SESSIONS_ENDED = 5
END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'saga-coordinator'
"""


def test_orders_end_once_though_the_service_is_killed_again_and_again_i24(tmp_path: Path, database: Database) -> None:
    with business(tmp_path, database=database) as shop:
        shop.keep_ordering()
        for _ in range(KILLS):
            shop.serve.kill()
            shop.serve.start()
            shop.is_at_work()
        shop.ends()
    live = evidence.rows(database, "SELECT correlation FROM instance WHERE ended_at IS NULL")
    assert (live, evidence.count(database, "outbox")) == ([], 0)
    ordered = len({order for each in shop.shops for order in each.journal.placed})
    assert evidence.count(database, "instance") == ordered


def test_every_verb_reads_it_and_says_what_is_not_for_it(tmp_path: Path, database: Database) -> None:
    with business(tmp_path, database=database) as shop:
        shop.order(3)
        shop.ends()

        def said(*arguments: str) -> str:
            done = shop.serve.verb(*arguments)
            assert done.returncode == 0, (arguments, done.stderr)
            return done.stdout

        [first, *_] = json.loads(said("ls", "--json"))["instances"]
        for verb in (("show", first["id"]), ("why", first["id"])):
            assert first["key"] in said(*verb)
        [place, *_] = evidence.rows(database, 'SELECT topic, partition, "offset" FROM history WHERE seq = 1')
        assert "applied" in said("explain", ":".join(map(str, place)))
        assert "all decided as recorded" in said("replay")
        assert "orders.events.v1" in said("positions", "ls")
        refused = shop.serve.verb("db", "backup", str(tmp_path / "copy"))
        assert (refused.returncode, "by PostgreSQL's own tools" in refused.stderr) == (1, True)


def test_a_database_without_its_schema_is_named_with_the_remedy_which_works(postgres: Postgres) -> None:
    database = postgres.create()
    before = saga("ls", **database.variables)
    assert (before.returncode, "has schema 0" in before.stderr) == (1, True)
    assert "run `saga db upgrade`" in before.stderr
    assert "migrations 1, 2" in saga("db", "upgrade", **database.variables).stdout
    assert "is up to date" in saga("db", "upgrade", **database.variables).stdout
    assert saga("ls", **database.variables).returncode == 0


def test_doctor_refuses_a_server_that_may_lose_commits(database: Database) -> None:
    said = json.loads(saga("doctor", "--json", **database.variables).stdout)
    found = {each["check"]: each for each in said["checks"]}
    assert (found["database"]["ok"], found["schema"]["ok"], found["coordinator"]["ok"]) == (True, True, True)
    assert found["durability"]["found"] == "fsync and full_page_writes off: a crash of the server loses commits"
    assert not found["durability"]["ok"]


def test_orders_end_once_though_sessions_are_ended_and_the_server_is_killed_i27(tmp_path: Path) -> None:
    if binaries() is None:
        skip_or_fail(MISSING, "SAGA_TEST_POSTGRES_REQUIRED")
    with postgres_server() as server, closing(Postgres(server.address)) as databases:
        database = databases.acquire()
        with business(tmp_path, database=database) as shop:
            shop.keep_ordering()
            for _ in range(SESSIONS_ENDED):
                assert database.rows(END_SESSIONS), "the coordinator had no session"
                shop.is_at_work()
            server.kill()
            shop.is_not_ready("see that the server runs")
            server.start()
            shop.serve.is_ready_within(READY_WITHIN_S)
            shop.is_at_work()
            shop.ends()
            assert [each["event"] for each in shop.serve.objects()].count("serving") == 1
        assert evidence.rows(database, "SELECT correlation FROM instance WHERE ended_at IS NULL") == []
