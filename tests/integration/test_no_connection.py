"""Why there is no connection to Kafka: each cause is named with its own remedy, also behind the bootstrap servers."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from saga_coordinator.service.kafka.errors import diagnose
from saga_coordinator.service.settings import KafkaSettings
from tests.support.certificates import self_signed

ERROR = ConnectionError("what the client says")
API_VERSIONS, METADATA = 18, 3


def settings(servers: str, **more: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"bootstrap_servers": servers, "request_timeout": 2.0} | more)


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def broker_that_advertises(host: str, port: int) -> AsyncIterator[str]:
    """A broker that answers one request: for the addresses of the brokers, of which it names one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while size := await reader.read(4):
            request = await reader.readexactly(struct.unpack(">i", size)[0])
            api_key, _, correlation = struct.unpack(">hhi", request[:8])
            writer.write(with_size(struct.pack(">i", correlation) + ANSWERS[api_key]))
        writer.close()

    name = host.encode()
    metadata = struct.pack(">iih", 1, 1, len(name)) + name + struct.pack(">i", port) + struct.pack(">i", 0)
    versions = struct.pack(">hi", 0, 1) + struct.pack(">hhh", METADATA, 0, 0)
    ANSWERS = {METADATA: metadata, API_VERSIONS: versions}  # noqa: N806  a table
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def with_size(content: bytes) -> bytes:
    """Return a response as Kafka frames it."""
    return struct.pack(">i", len(content)) + content


async def test_where_nothing_listens_the_port_is_in_question() -> None:
    at = f"127.0.0.1:{closed_port()}"
    cause, remedy = await diagnose(settings(at), ERROR)
    assert cause == f"no connection to Kafka at {at}: nothing listens at {at} (connection refused)"
    assert remedy == "start the broker, or correct its port in SAGA_KAFKA__BOOTSTRAP_SERVERS"


async def test_a_name_that_cannot_be_resolved_is_named() -> None:
    cause, remedy = await diagnose(settings("kafka.invalid:9092"), ERROR)
    assert "the name kafka.invalid cannot be resolved" in cause
    assert remedy == "correct the name in SAGA_KAFKA__BOOTSTRAP_SERVERS, or let it be resolved here (DNS)"


async def test_an_ipv6_address_is_asked_without_its_brackets() -> None:
    at = f"[::1]:{closed_port()}"
    cause, _ = await diagnose(settings(at), ERROR)
    assert f"nothing listens at {at}" in cause or "Cannot assign requested address" in cause


async def test_a_broker_that_does_not_answer_is_no_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"127.0.0.1:{silent.getsockname()[1]}"
        cause, remedy = await diagnose(settings(at, request_timeout=0.2), ERROR)
    assert f"{at} did not answer within 0.2 s" in cause
    assert "firewall" in remedy


@pytest.mark.parametrize(
    ("host", "reason"), [("kafka.invalid", "cannot be resolved"), ("127.0.0.1", "nothing listens")]
)
async def test_a_broker_behind_the_bootstrap_server_is_named_with_advertised_listeners(host: str, reason: str) -> None:
    port = closed_port()
    async with broker_that_advertises(host, port) as bootstrap:
        cause, remedy = await diagnose(settings(bootstrap), ERROR)
    assert cause.startswith(f"Kafka at {bootstrap} answers, but a broker advertises {host}:{port}: ")
    assert reason in cause
    assert remedy == f"let {host} be resolved and reached from here, or correct advertised.listeners of that broker"


@pytest.mark.parametrize(
    ("subject", "days", "is_trusted", "remedy"),
    [
        ("DNS:other.example", 2, True, "the broker's certificate names other hosts than 127.0.0.1"),
        ("IP:127.0.0.1", -1, True, "the broker's certificate has expired: renew it"),
        ("IP:127.0.0.1", 2, False, "is SAGA_KAFKA__SSL_CAFILE the authority that signed the broker's certificate?"),
    ],
    ids=["names", "expired", "authority"],
)
async def test_each_fault_of_a_certificate_has_its_own_remedy(
    tmp_path: Path, subject: str, days: int, remedy: str, *, is_trusted: bool
) -> None:
    pair, other = self_signed(tmp_path, "broker", subject=subject, days=days), self_signed(tmp_path, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        trusted = pair.certificate if is_trusted else other.certificate
        problem = await diagnose(settings(at, security_protocol="SSL", ssl_cafile=trusted), ERROR)
    assert "CERTIFICATE_VERIFY_FAILED" in problem.cause
    assert problem.remedy.startswith(remedy)


async def test_a_file_that_is_spoilt_while_it_runs_is_named(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    user = {"sasl_username": "saga", "sasl_password_file": password}
    sasl = settings("127.0.0.1:1", security_protocol="SASL_PLAINTEXT", **user)
    password.unlink()
    cause, remedy = await diagnose(sasl, ERROR)
    assert "SASL_PASSWORD_FILE cannot be used any more" in cause
    assert remedy == "replace the file by one that can be used: it is read again every few seconds"


async def test_a_port_without_tls_is_named() -> None:
    def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        _, remedy = await diagnose(settings(at, security_protocol="SSL"), ERROR)
    assert remedy == "has that port TLS: is SAGA_KAFKA__SECURITY_PROTOCOL=SSL right?"
