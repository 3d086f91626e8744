"""Keys and certificates for tests, made by openssl."""

from pathlib import Path
from typing import NamedTuple

from tests.support.child_process import run


class KeyPair(NamedTuple):
    """A certificate and its key, both in PEM."""

    certificate: Path
    key: Path


def self_signed(folder: Path, name: str, *, subject: str = "IP:127.0.0.1,DNS:localhost", days: int = 2) -> KeyPair:
    """Make a key, and a certificate for these names that it signs itself; it has expired if `days` is negative."""
    made, request = KeyPair(folder / f"{name}.crt", folder / f"{name}.key"), folder / f"{name}.csr"
    _openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-addext",
             f"subjectAltName={subject}", "-keyout", made.key, "-out", request)  # fmt: skip
    _openssl("x509", "-req", "-in", request, "-signkey", made.key, "-days", days, "-copy_extensions", "copyall",
             "-out", made.certificate)  # fmt: skip
    return made


def encrypted(key: Path) -> Path:
    """Make a copy of a key that needs a passphrase."""
    copy = key.with_suffix(".encrypted")
    _openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", copy)
    return copy


def _openssl(*arguments: object) -> None:
    run(["openssl", *map(str, arguments)], purpose="make a key or a certificate", within=60)
