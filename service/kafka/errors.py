"""Why Kafka refuses a connection or a request, and what to do about it.

aiokafka only logs why the first connection fails, and raises that there is none. So one more is tried here.
"""

import asyncio
import ssl
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.settings import KafkaSettings

ClientError: Final = KafkaError
"""Any error of the Kafka client."""


async def describe_connection_failure(settings: KafkaSettings, error: Exception) -> str:
    """Return why there is no connection, and what to do; `error` is what the client raised."""
    reason: Exception = error
    options = connection(settings)
    del options["metadata_max_age_ms"], options["bootstrap_servers"]
    for host, port in settings.addresses:
        try:
            async with asyncio.timeout(settings.request_timeout):
                conn = await create_conn(host, port, **options)
        except (OSError, KafkaError) as refused:
            reason = refused
        else:
            conn.close()
    return f"no connection to Kafka at {settings.bootstrap_servers}: {_describe(reason)}; {_remedy(settings, reason)}"


def describe_refusal(settings: KafkaSettings, error: BaseException) -> str:
    """Return what Kafka refuses, and what to do; of any other error, only its name and text."""
    user = f"user {settings.sasl_username}" if settings.sasl_username else "this client"
    match error:
        case TopicAuthorizationFailedError():
            return f"{_describe(error)}; allow {user} Describe, Read and Write on the topics of `saga topics plan`"
        case GroupAuthorizationFailedError():
            return f"{_describe(error)}; allow {user} Read on the consumer group {settings.group}"
        case ClusterAuthorizationFailedError():
            return f"{_describe(error)}; allow {user} IdempotentWrite on the cluster"
        case InvalidSessionTimeoutError():
            limits = "the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"
            return f"{_describe(error)}; set SAGA_KAFKA__SESSION_TIMEOUT to seconds between {limits}"
        case MessageSizeTooLargeError() | RecordListTooLargeError():
            return f"{_describe(error)}; raise max.message.bytes of the topic to 1048588 or more, and it continues"
        case NotReady():
            return str(error)
        case _:
            return _describe(error)


def _remedy(settings: KafkaSettings, error: Exception) -> str:
    """Return which setting may be wrong."""
    match error:
        case UnsupportedSaslMechanismError():
            return f"the broker does not know {settings.sasl_mechanism}: is SAGA_KAFKA__SASL_MECHANISM right?"
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            return (
                f"are SAGA_KAFKA__SASL_USERNAME={settings.sasl_username}, its password and "
                f"SAGA_KAFKA__SASL_MECHANISM={settings.sasl_mechanism} right?"
            )
        case ssl.SSLCertVerificationError():
            return "is SAGA_KAFKA__SSL_CAFILE the authority that signed the broker's certificate?"
        case ssl.SSLError() | KafkaConnectionError():
            return (
                "is it running, are SAGA_KAFKA__BOOTSTRAP_SERVERS and "
                f"SAGA_KAFKA__SECURITY_PROTOCOL={settings.security_protocol} right?"
            )
        case _:
            return "is it running, and is SAGA_KAFKA__BOOTSTRAP_SERVERS right?"


def _describe(error: BaseException) -> str:
    name, text = type(error).__name__, str(error)
    return text if name in text else f"{name}: {text}" if text else name
