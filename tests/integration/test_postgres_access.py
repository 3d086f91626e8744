"""Who may connect to PostgreSQL, and to whose server: passwords and certificates, and what is said when they fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from saga_coordinator.service.app import database
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.settings import Settings
from tests.support.certificates import KeyPair, self_signed
from tests.support.postgres.server import FAST, PostgresServer, binaries, postgres_server
from tests.support.postgres_fixtures import MISSING
from tests.support.shared_server import skip_or_fail

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """The certificate of the server, for 127.0.0.2 only."""
    return self_signed(tmp_path_factory.mktemp("certificate"), "server", subject="IP:127.0.0.2")


@pytest.fixture(scope="module")
def server(pair: KeyPair) -> Iterator[PostgresServer]:
    """A server with passwords and TLS."""
    if binaries() is None:
        skip_or_fail(MISSING, "SAGA_TEST_POSTGRES_REQUIRED")
    with postgres_server(pair, **FAST, listen_addresses="127.0.0.1,127.0.0.2") as server:
        yield server


def settings(url: str, password: str, authorities: Path | None = None) -> Settings:
    return Settings(store=url, store_password=SecretStr(password), store_ssl_cafile=authorities)


def test_a_verified_server_is_used_with_the_password(server: PostgresServer, pair: KeyPair) -> None:
    url = f"{server.tcp}?sslmode=verify-full".replace("127.0.0.1", "127.0.0.2")
    allowed = settings(url, server.password, pair.certificate)
    database.upgrade(allowed)
    with database.open_queries(allowed) as asked:
        assert asked.partitions() == []
    assert database.check_access(allowed).ok


def test_a_wrong_password_is_named_with_what_to_correct(server: PostgresServer) -> None:
    with pytest.raises(StoreError, match=r"password authentication failed .*; correct the user in SAGA_STORE") as error:
        database.upgrade(settings(server.tcp, "wrong-canary"))
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("mode", "wrong"), [("verify-full", r"certificate is not valid for '127\.0\.0\.1'"), ("verify-ca", None)]
)
def test_a_server_of_another_name_is_refused_unless_only_its_authority_is_verified(
    server: PostgresServer, pair: KeyPair, mode: str, wrong: str | None
) -> None:
    chosen = settings(f"{server.tcp}?sslmode={mode}", server.password, pair.certificate)
    if wrong is None:
        assert database.check_access(chosen).ok
        return
    with pytest.raises(StoreError, match=f"{wrong}.*; correct SAGA_STORE_SSL_CAFILE"):
        database.upgrade(chosen)


def test_a_server_of_an_unknown_authority_is_refused(server: PostgresServer) -> None:
    with pytest.raises(StoreError, match=r"self-signed certificate.*; correct SAGA_STORE_SSL_CAFILE"):
        database.upgrade(settings(f"{server.tcp}?sslmode=verify-full", server.password))


def test_the_password_is_read_from_its_file_at_each_connect(server: PostgresServer, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    chosen = Settings(store=server.tcp, store_password_file=file)
    assert not database.check_access(chosen).ok
    file.write_text(f"{server.password}\n")
    assert database.check_access(chosen).ok


def test_a_server_that_is_not_there_is_named(server: PostgresServer) -> None:
    with pytest.raises(StoreError, match=r"127\.0\.0\.1.*; see that the server runs and can be reached"):
        database.upgrade(settings(server.tcp.replace(str(server.port), "1"), "x"))
