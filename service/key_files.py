"""Checks the files that settings name, when the settings are read: passwords, certificates and keys."""

import ssl
from pathlib import Path
from typing import NoReturn

NOT_PEM = "holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"


def check_readable(path: Path) -> Path:
    """Return a file that can be read. Raises `ValueError`."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise ValueError("there is no such file") from None
    except PermissionError:
        raise ValueError("the user of this process may not read it: allow that user to") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    return path


def check_password(path: Path) -> Path:
    """Return a file that holds a password. Raises `ValueError`."""
    if not read_password(path):
        raise ValueError("holds no password: it is empty")
    return path


def read_password(path: Path) -> str:
    """Return the password in a file, without the line's end. Raises `ValueError`, `OSError`."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("holds no password: it is not UTF-8 text") from None


def check_certificates(path: Path) -> Path:
    """Return a file that holds certificates in PEM. Raises `ValueError`."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"{NOT_PEM}: {_reason(error)}") from error
    return path


def check_key_pair(certificate: Path, key: Path | None) -> str | None:
    """Return why a key is not that of a client certificate, None if it is. Without a file of its own it is beside it.

    An encrypted key is refused: there is nobody to ask for its passphrase.
    """

    def refuse() -> NoReturn:
        raise ValueError("is encrypted with a passphrase: decrypt it (openssl pkey -in KEY -out NEW)")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "is the key of another certificate"
        return f"holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----: {_reason(error)}"
    except ValueError as error:
        return str(error)
    return None


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
