"""How a Kafka client connects: address, encryption and authentication, from the settings."""

import ssl
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, codec
from aiokafka.helpers import create_ssl_context

from saga_coordinator.service.kafka.aiokafka_internals import expect_closed_connections, renew_credentials
from saga_coordinator.service.settings import KafkaSettings

METADATA_MAX_AGE_S: Final = 5
"""How soon a topic's new partitions are seen; they are then read from their beginning."""
RENEW_INTERVAL, RENEW_INTERVAL_OF_FAILING = 60.0, 5.0
"""Seconds after which password and certificates are read from their files again."""


class Credentials:
    """The credentials of one client, which are read again at intervals, and soon after a failure."""

    def __init__(self, settings: KafkaSettings, client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
        self._settings = settings
        self._has_files = settings.has_files
        self._holder = client
        self._read_at = time.monotonic()

    def are_due(self, *, is_failing: bool) -> bool:
        """Return whether it is time to read the files again."""
        interval = RENEW_INTERVAL_OF_FAILING if is_failing else RENEW_INTERVAL
        return self._has_files and time.monotonic() - self._read_at > interval

    def renew(self, *, is_failing: bool) -> None:
        """Read the files if it is time. Raises `ConnectionError` for a bad one; then the client keeps what it has."""
        if self.are_due(is_failing=is_failing):
            self._read_at = time.monotonic()
            renew_credentials(self._holder, connection(self._settings))


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of every aiokafka client, with the credentials that the files hold now.

    Raises `ConnectionError` if a file cannot be used any more.
    """
    expect_closed_connections()
    try:
        ssl_context, password = _ssl_context(settings), settings.password()
    except (OSError, ValueError) as error:
        names = "SAGA_KAFKA__SSL_CAFILE, SSL_CERTFILE, SSL_KEYFILE and SASL_PASSWORD_FILE"
        raise ConnectionError(f"a file of {names} cannot be used any more: {error}") from error
    return {
        "bootstrap_servers": [str(each) for each in settings.addresses],
        "client_id": settings.client_id,
        "metadata_max_age_ms": METADATA_MAX_AGE_S * 1000,
        "request_timeout_ms": int(settings.request_timeout * 1000),
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context,
        "sasl_mechanism": settings.sasl_mechanism if settings.security_protocol.startswith("SASL") else "PLAIN",
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": password,
    }


def missing_codecs() -> Sequence[str]:
    """Return the compression codecs of Kafka that this client cannot decode."""
    has = {"gzip": codec.has_gzip, "snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}
    return [name for name, is_there in has.items() if not is_there()]


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    if settings.security_protocol not in {"SSL", "SASL_SSL"}:
        return None
    context: ssl.SSLContext = create_ssl_context(
        cafile=_text(settings.ssl_cafile),
        certfile=_text(settings.ssl_certfile),
        keyfile=_text(settings.ssl_keyfile),
        password="",
    )
    return context


def _text(path: object) -> str | None:
    return None if path is None else str(path)
