"""How a Kafka client connects: address, encryption and authentication, from the settings."""

from typing import Any, Final

from aiokafka.helpers import create_ssl_context

from saga_coordinator.service.kafka.aiokafka_internals import expect_closed_connections
from saga_coordinator.service.settings import KafkaSettings

METADATA_MAX_AGE_S: Final = 5
"""How soon a topic's new partitions are seen; they are then read from their beginning."""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the arguments of every aiokafka client of this service."""
    expect_closed_connections()
    ssl_context = None
    if settings.security_protocol in {"SSL", "SASL_SSL"}:
        ssl_context = create_ssl_context(
            cafile=_text(settings.ssl_cafile),
            certfile=_text(settings.ssl_certfile),
            keyfile=_text(settings.ssl_keyfile),
            password="",
        )
    return {
        "bootstrap_servers": [str(each) for each in settings.addresses],
        "client_id": settings.client_id,
        "metadata_max_age_ms": METADATA_MAX_AGE_S * 1000,
        "request_timeout_ms": int(settings.request_timeout * 1000),
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context,
        "sasl_mechanism": settings.sasl_mechanism if settings.security_protocol.startswith("SASL") else "PLAIN",
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.password(),
    }


def _text(path: object) -> str | None:
    return None if path is None else str(path)
