"""Why Kafka refuses a connection or a request, and what to do about it.

aiokafka only logs why the first connection fails, and of a broker behind it says no more than its number. So the
connections are tried here once more: to the addresses that are set, and to those that their brokers advertise.
"""

import asyncio
import errno
import socket
import ssl
from typing import Any, Final, NamedTuple

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidSessionTimeoutError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    RecordListTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from saga_coordinator.service.addresses import Address
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.settings import KafkaSettings

SERVERS: Final = "SAGA_KAFKA__BOOTSTRAP_SERVERS"

ClientError: Final = KafkaError
"""Any error of the Kafka client."""

NO_CONNECTION: Final = (KafkaConnectionError, NodeNotReadyError, TimeoutError)
"""What the client raises when a broker cannot be reached. It does not say which one, or why."""


class Problem(NamedTuple):
    """Why there is no connection, and what to do."""

    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.cause}; {self.remedy}"


async def describe_failure(settings: KafkaSettings, error: BaseException) -> str:
    """Return why a request failed, and what to do: there was no connection, or Kafka has refused it."""
    return (
        str(await diagnose(settings, error)) if isinstance(error, NO_CONNECTION) else describe_refusal(settings, error)
    )


async def diagnose(settings: KafkaSettings, error: BaseException) -> Problem:
    """Return why there is no connection; `error` is what the client raised."""
    try:
        async with asyncio.timeout(1.5 * settings.request_timeout):
            return await _diagnose(settings, error)
    except TimeoutError:
        cause = f"no connection to Kafka at {settings.bootstrap_servers}: {_describe(error)}"
        return Problem(cause, _explain(settings, settings.addresses[0], TimeoutError()).remedy)


async def _diagnose(settings: KafkaSettings, error: BaseException) -> Problem:
    problem = None
    for address in settings.addresses:
        try:
            brokers = await _ask_brokers(settings, address)
        except (OSError, KafkaError) as refused:
            cause, remedy = _explain(settings, address, refused)
            problem = Problem(f"no connection to Kafka at {settings.bootstrap_servers}: {cause}", remedy)
        else:
            advertised = await _diagnose_advertised(settings, address, brokers)
            failed = f"Kafka at {address} answers, but a request failed: {_describe(error)}"
            return advertised or Problem(failed, "it is tried again; what does the broker's log say?")
    assert problem is not None, "there is at least one address"  # noqa: S101  for the type checker
    return problem


async def _diagnose_advertised(settings: KafkaSettings, asked: Address, brokers: list[Address]) -> Problem | None:
    """Return why a broker cannot be reached at the address that it advertises, None if all can be."""
    for address in brokers:
        try:
            (await _connect(settings, address)).close()
        except (OSError, KafkaError) as refused:
            cause, remedy = _explain(settings, address, refused)
            if isinstance(refused, OSError) and not isinstance(refused, ssl.SSLError):
                reached = f"let {address.host} be resolved and reached from here"
                remedy = f"{reached}, or correct advertised.listeners of that broker"
            return Problem(f"Kafka at {asked} answers, but a broker advertises {address}: {cause}", remedy)
    return None


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


# --- one connection


async def _connect(settings: KafkaSettings, address: Address) -> AIOKafkaConnection:
    """Connect, and authenticate. Raises `OSError`, `KafkaError`."""
    options = connection(settings)
    del options["metadata_max_age_ms"], options["bootstrap_servers"]
    async with asyncio.timeout(settings.request_timeout):
        return await create_conn(address.host, address.port, **options)


async def _ask_brokers(settings: KafkaSettings, address: Address) -> list[Address]:
    """Return the addresses that the brokers of a cluster advertise. Raises `OSError`, `KafkaError`."""
    conn = await _connect(settings, address)
    try:
        async with asyncio.timeout(settings.request_timeout):
            response: Any = await conn.send(MetadataRequest([]))
    finally:
        conn.close()
    return [Address(host, port) for _, host, port, *_ in response.brokers]


def _explain(settings: KafkaSettings, address: Address, error: BaseException) -> Problem:
    """Return why a connection to an address failed, and what to do about it."""
    protocol = settings.security_protocol
    match error:
        case ssl.SSLError():
            return Problem(_describe(error), _remedy_of_tls(settings, address, error))
        case OSError():
            return _explain_system(settings, address, error)
        case UnsupportedSaslMechanismError():
            remedy = f"the broker does not know {settings.sasl_mechanism}: is SAGA_KAFKA__SASL_MECHANISM right?"
        case SaslAuthenticationFailed() | AuthenticationFailedError():
            remedy = (
                f"are SAGA_KAFKA__SASL_USERNAME={settings.sasl_username}, its password and "
                f"SAGA_KAFKA__SASL_MECHANISM={settings.sasl_mechanism} right?"
            )
        case KafkaConnectionError():
            remedy = f"is it running, are {SERVERS} and SAGA_KAFKA__SECURITY_PROTOCOL={protocol} right?"
        case _:
            remedy = f"is it running, and is {SERVERS} right?"
    return Problem(_describe(error), remedy)


def _explain_system(settings: KafkaSettings, address: Address, error: OSError) -> Problem:
    match error:
        case socket.gaierror():
            unresolved = f"the name {address.host} cannot be resolved"
            return Problem(unresolved, f"correct the name in {SERVERS}, or let it be resolved here (DNS)")
        case OSError() if _is_refused(error):
            refused = f"nothing listens at {address} (connection refused)"
            return Problem(refused, f"start the broker, or correct its port in {SERVERS}")
        case TimeoutError():
            silent = f"{address} did not answer within {settings.request_timeout:g} s"
            remedy = f"is {SERVERS} right, does a firewall drop the connection, is the broker overloaded?"
            return Problem(silent, remedy)
        case ConnectionError() if type(error) is ConnectionError:  # of `connection`
            return Problem(
                _describe(error), "replace the file by one that can be used: it is read again every few seconds"
            )
        case _:
            return Problem(_describe(error), f"is it running, and is {SERVERS} right?")


def _remedy_of_tls(settings: KafkaSettings, address: Address, error: ssl.SSLError) -> str:
    match error:
        case ssl.SSLCertVerificationError(verify_code=62 | 64):  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
            return f"the broker's certificate names other hosts than {address.host}: use one of its names, or renew it"
        case ssl.SSLCertVerificationError(verify_code=10):  # X509_V_ERR_CERT_HAS_EXPIRED
            return "the broker's certificate has expired: renew it"
        case ssl.SSLCertVerificationError(verify_code=9):  # X509_V_ERR_CERT_NOT_YET_VALID
            return "the broker's certificate is not valid yet: are the clocks right?"
        case ssl.SSLCertVerificationError():
            return "is SAGA_KAFKA__SSL_CAFILE the authority that signed the broker's certificate?"
        case ssl.SSLError() if "ALERT" in (error.reason or ""):
            return "the broker refuses the client certificate: are SAGA_KAFKA__SSL_CERTFILE and its key right?"
        case _:
            protocol = settings.security_protocol
            return f"has that port TLS: is SAGA_KAFKA__SECURITY_PROTOCOL={protocol} right?"


def _is_refused(error: OSError) -> bool:
    """Return whether nothing listens: a name with several addresses gives the errors of all of them in one text."""
    return error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error)


def _describe(error: BaseException) -> str:
    name, text = type(error).__name__, str(error)
    return text if name in text else f"{name}: {text}" if text else name
