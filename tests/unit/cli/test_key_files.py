"""Files that settings name are read at the start: what is wrong is named by its variable, with the remedy."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from saga_coordinator.service.key_files import check_readable
from tests.support.certificates import KeyPair, encrypted, self_signed
from tests.unit.cli._support.said import Saga

NOBODY = 65_534
TLS = {"SAGA_KAFKA__SECURITY_PROTOCOL": "SSL"}
SASL = {"SAGA_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SAGA_KAFKA__SASL_USERNAME": "saga"}
CERTFILE, KEYFILE, CAFILE = (f"SAGA_KAFKA__SSL_{name}FILE" for name in ("CERT", "KEY", "CA"))
PASSWORD_FILE = "SAGA_KAFKA__SASL_PASSWORD_FILE"  # noqa: S105  the name of a variable


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyPair, KeyPair]:
    """Two certificates with their keys."""
    folder = tmp_path_factory.mktemp("keys")
    return self_signed(folder, "one"), self_signed(folder, "other")


@pytest.fixture
def refused(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Start with variables that are wrong, and return what is said about them."""

    def start(**variables: object) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        said = saga("ls")
        assert said.code == 2, said
        return said.err

    return start


def test_the_right_files_are_accepted(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pairs: tuple[KeyPair, KeyPair]
) -> None:
    (tmp_path / "password").write_text("secret\n")
    files = {CAFILE: pairs[1].certificate, CERTFILE: pairs[0].certificate, KEYFILE: pairs[0].key}
    files |= {PASSWORD_FILE: tmp_path / "password"}
    for name, value in {**SASL, "SAGA_KAFKA__SECURITY_PROTOCOL": "SASL_SSL", **files}.items():
        monkeypatch.setenv(name, str(value))
    saga.does("config")


def test_a_file_that_is_not_there_or_is_a_folder_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    err = refused(**TLS, **{CAFILE: tmp_path / "nowhere", KEYFILE: tmp_path})
    assert f"{CAFILE}={tmp_path}/nowhere: there is no such file" in err
    assert f"{KEYFILE}={tmp_path}: cannot be read: Is a directory" in err


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0)
    with (
        unprivileged(),
        pytest.raises(ValueError, match="the user of this process may not read it"),
    ):
        check_readable(key)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user who is not root: root may read every file."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def test_authorities_that_are_no_pem_are_named(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "ca.der").write_bytes(b"\x30\x82")
    err = refused(**TLS, **{CAFILE: tmp_path / "ca.der"})
    assert f"{CAFILE}={tmp_path}/ca.der: holds no certificate in PEM" in err


def test_a_key_of_another_certificate_is_named(refused: Callable[..., str], pairs: tuple[KeyPair, KeyPair]) -> None:
    one, other = pairs
    err = refused(**TLS, **{CERTFILE: one.certificate, KEYFILE: other.key})
    assert f"ssl_keyfile={other.key} is the key of another certificate" in err
    assert f"it must be the key of ssl_certfile={one.certificate}" in err


def test_a_key_with_a_passphrase_and_what_is_no_key_are_named(
    refused: Callable[..., str], pairs: tuple[KeyPair, KeyPair]
) -> None:
    one = pairs[0]
    locked = encrypted(one.key)
    assert f"ssl_keyfile={locked} is encrypted with a passphrase" in refused(
        **TLS, **{CERTFILE: one.certificate, KEYFILE: locked}
    )
    assert f"ssl_keyfile={one.certificate} holds no private key in PEM" in refused(**{KEYFILE: one.certificate})


def test_a_certificate_without_its_key_is_named(refused: Callable[..., str], pairs: tuple[KeyPair, KeyPair]) -> None:
    assert "ssl_certfile=" in refused(**TLS, **{CERTFILE: pairs[0].certificate})


@pytest.mark.parametrize(("content", "problem"), [(b"\n", "holds no password: it is empty"), (b"\xff", "not UTF-8")])
def test_a_password_file_without_a_password_is_named(
    refused: Callable[..., str], tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "password").write_bytes(content)
    err = refused(**SASL, **{PASSWORD_FILE: tmp_path / "password"})
    assert f"{PASSWORD_FILE}={tmp_path}/password: holds no password" in err
    assert problem in err


class TestOfPostgres:
    """The files that belong to a database on a server."""

    URL = "postgresql://kim@db/orders"

    def test_a_password_and_a_certificate_are_accepted(
        self, saga: Saga, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pairs: tuple[KeyPair, KeyPair]
    ) -> None:
        (tmp_path / "password").write_text("secret\n")
        files = {"PASSWORD_FILE": tmp_path / "password", "SSL_CAFILE": pairs[1].certificate}
        files |= {"SSL_CERTFILE": pairs[0].certificate, "SSL_KEYFILE": pairs[0].key}
        monkeypatch.setenv("SAGA_STORE", self.URL)
        for name, value in files.items():
            monkeypatch.setenv(f"SAGA_STORE_{name}", str(value))
        saga.does("config")

    @pytest.mark.parametrize(
        ("store", "wrong"),
        [
            ("sqlite:///saga.db", "which is a file: unset this"),
            ("postgresql://localhost/orders", r"add ?sslmode=verify-full to that, or unset this"),
        ],
    )
    def test_files_that_the_database_does_not_use_are_refused(
        self, refused: Callable[..., str], pairs: tuple[KeyPair, KeyPair], store: str, wrong: str
    ) -> None:
        err = refused(SAGA_STORE=store, SAGA_STORE_SSL_CAFILE=pairs[0].certificate)
        assert "SAGA_STORE_SSL_CAFILE=" in err
        assert wrong in err

    def test_two_passwords_are_refused(self, refused: Callable[..., str], tmp_path: Path) -> None:
        (tmp_path / "password").write_text("secret\n")
        both = {"SAGA_STORE_PASSWORD": "canary", "SAGA_STORE_PASSWORD_FILE": tmp_path / "password"}
        err = refused(SAGA_STORE=self.URL, **both)
        assert "SAGA_STORE_PASSWORD is set too: unset one of them" in err
        assert "canary" not in err

    def test_a_key_of_another_certificate_is_named(
        self, refused: Callable[..., str], pairs: tuple[KeyPair, KeyPair]
    ) -> None:
        one, other = pairs
        err = refused(SAGA_STORE=self.URL, SAGA_STORE_SSL_CERTFILE=one.certificate, SAGA_STORE_SSL_KEYFILE=other.key)
        assert f"SAGA_STORE_SSL_KEYFILE={other.key} is the key of another certificate" in err
