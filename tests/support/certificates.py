"""Keys and certificates for tests, made by openssl."""

from pathlib import Path
from typing import NamedTuple

from tests.support.kafka.java_process import run


class KeyPair(NamedTuple):
    """A certificate and its key, both in PEM."""

    certificate: Path
    key: Path


def self_signed(folder: Path, name: str, *, subject: str = "IP:127.0.0.1,DNS:localhost", days: int = 2) -> KeyPair:
    """Make a key, and a certificate for these names that it signs itself."""
    made = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName={subject}", "-keyout", str(made.key), "-out", str(made.certificate)]
    run(command, purpose="make a certificate", within=60)
    return made


def encrypted(key: Path) -> Path:
    """Make a copy of a key that needs a passphrase."""
    copy = key.with_suffix(".encrypted")
    command = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(copy)]
    run(command, purpose="encrypt a key", within=60)
    return copy
