"""Checks whether the service can run here: definitions, Kafka, topics, database, tracing. A failure has its remedy."""

import asyncio
import os
import ssl
from collections.abc import Iterator, Sequence
from typing import Final

import httpx
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_CERTIFICATE,
    OTEL_EXPORTER_OTLP_HEADERS,
    OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE,
    OTEL_EXPORTER_OTLP_TRACES_HEADERS,
)
from opentelemetry.util.re import parse_env_headers

from saga_coordinator.handlers.routing import BadCatalog, Routes
from saga_coordinator.sagas import UnsoundSaga
from saga_coordinator.service.app import database
from saga_coordinator.service.app.definitions import changed_definitions, refusal
from saga_coordinator.service.catalog import demo_note, load_routes
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.health import Finding
from saga_coordinator.service.kafka.acls import acls, missing_acls, principal
from saga_coordinator.service.kafka.admin import (
    Topic,
    TopicState,
    allowed_operations,
    describe_cluster,
    plan,
    topic_purposes,
)
from saga_coordinator.service.kafka.connection import missing_codecs
from saga_coordinator.service.kafka.errors import ClientError, diagnose
from saga_coordinator.service.settings import KafkaSettings, Settings
from saga_coordinator.service.storage.queries import LiveVersion
from saga_coordinator.service.telemetry.environment import ExportKind, asks_no_proxy, endpoint, unsupported

TRACES_TIMEOUT: Final = 5.0
PROTOBUF: Final = "application/x-protobuf"


async def examine(settings: Settings) -> Sequence[Finding]:
    """Run all checks; a failure is a finding, not an error."""
    routes, definitions = _definitions(settings)
    broker, traces = await asyncio.gather(_broker(settings.kafka), _traces())
    findings = [definitions, _codecs(), broker]
    if routes is not None and broker.ok:
        findings += [*await _topics(settings.kafka, routes), *await _rights(settings.kafka, routes)]
    findings += _database(settings, routes)
    return [*findings, *traces]


# --- definitions


def _definitions(settings: Settings) -> tuple[Routes | None, Finding]:
    try:
        routes = load_routes(settings)
    except (UnsoundSaga, BadCatalog) as error:
        return None, Finding("definitions", str(error), "correct what `saga lint` names, or SAGA_CATALOG")
    sagas = ", ".join(f"{name} v{version}" for name, version in routes.sagas)
    note = demo_note(settings)
    return routes, Finding("definitions", f"{sagas}. {note}" if note else sagas)


# --- Kafka


def _codecs() -> Finding:
    """Check whether records can be read that a producer has compressed."""
    if missing := missing_codecs():
        detail = f"records compressed with {', '.join(missing)} cannot be read, and stop their partitions"
        return Finding("codecs", detail, "install the package cramjam beside this one (pip install cramjam)")
    return Finding("codecs", "gzip, snappy, lz4 and zstd can be read")


async def _broker(settings: KafkaSettings) -> Finding:
    servers = settings.bootstrap_servers
    try:
        cluster = await describe_cluster(settings)
    except (OSError, TimeoutError, ClientError) as error:
        return Finding("broker", *await diagnose(settings, error))
    return Finding("broker", f"{servers}, {cluster.brokers} in the cluster, protocol of {cluster.release}")


async def _topics(settings: KafkaSettings, routes: Routes) -> Sequence[Finding]:
    try:
        topics = await plan(settings, routes)
    except (OSError, ClientError) as error:
        return [
            Finding(
                "topics",
                str(error),
                "let this user describe topics (ACL Describe); `saga topics acls` lists all rights that it needs",
            )
        ]
    return [_topic(topic) for topic in topics]


async def _rights(settings: KafkaSettings, routes: Routes) -> Sequence[Finding]:
    """Check what the coordinator may do on its topics and on its group, where the broker reports that."""
    needed, owner = acls(settings, routes), principal(settings)
    try:
        allowed = await allowed_operations(settings, topic_purposes(routes))
    except (OSError, ClientError) as error:
        return [Finding("rights", str(error), "correct what is wrong with broker and topics")]
    if not allowed:
        return [Finding("rights", "this broker does not report them; `saga topics acls` lists those that are needed")]
    lacking = [
        Finding(
            f"{each.operation} on {each.resource} {each.name}",
            f"{owner} lacks this right, which is for {each.purpose}",
            each.command(settings, owner),
        )
        for each in missing_acls(needed, allowed)
    ]
    return lacking or [
        Finding("rights", f"{owner} has all that `saga topics acls` lists, as far as the broker reports them")
    ]


def _topic(topic: Topic) -> Finding:
    name = f"topic {topic.name}"
    if topic.state is TopicState.MISSING:
        return Finding(name, f"is missing ({topic.purpose})", "create it: saga topics apply")
    detail = f"{topic.partitions} partitions, {topic.purpose}"
    return Finding(name, detail, "; ".join(topic.advice) or None, is_warning=topic.is_foreign)


# --- database


def _database(settings: Settings, routes: Routes | None) -> Iterator[Finding]:
    access = database.check_access(settings)
    yield access
    if database.is_file(settings):
        if not (path := database.path_of(settings)).exists():
            yield Finding("schema", f"none yet: the first `saga serve` makes {path}")
            return
    elif not access.ok:
        return
    yield from _schema_findings(settings, routes)
    yield from database.check_use(settings)


def _schema_findings(settings: Settings, routes: Routes | None) -> Iterator[Finding]:
    """Check the schema, and that every live instance has its definition."""
    try:
        with database.open_queries(settings) as reading:
            yield Finding("schema", f"version {reading.schema}")
            live = reading.live_versions()
    except (StoreError, OSError) as error:
        remedy = "see whether SAGA_STORE is right and the disk is well; a newer schema needs the newer program"
        if not database.is_file(settings):
            remedy = "run `saga db upgrade` with the program that is to serve"
        yield Finding("schema", str(error), remedy)
        return
    yield _live_finding(live, routes)
    if routes:
        yield _outline_finding(live, routes)


def _live_finding(live: Sequence[LiveVersion], routes: Routes | None) -> Finding:
    detail = ", ".join(f"{each.number} of {each.saga} v{each.version}" for each in live) or "none"
    known = routes.sagas if routes else {(each.saga, each.version) for each in live}
    orphaned = [f"{each.saga} v{each.version}" for each in live if (each.saga, each.version) not in known]
    if orphaned:
        remedy = "add these versions to the catalog again; remove one only when its last instance has ended"
        return Finding("live instances", f"{detail}; without a definition: {', '.join(orphaned)}", remedy)
    return Finding("live instances", detail)


def _outline_finding(live: Sequence[LiveVersion], routes: Routes) -> Finding:
    counts = {(each.saga, each.version): each.number for each in live}
    outlines = {(each.saga, each.version): each.outline for each in live if each.outline}
    changed = list(changed_definitions(routes, outlines))
    if not changed:
        return Finding("live definitions", "as live instances started by them")
    detail = "; ".join(refusal(each, outlines, counts[each.name, each.version]) for each in changed)
    return Finding("live definitions", detail, "give the change a version of its own, or accept it")


# --- tracing


async def _traces() -> Sequence[Finding]:
    """Check whether the collector accepts an export, by sending an empty one."""
    unsupported_findings = [Finding("tracing", detail, "correct that variable") for detail in unsupported()]
    url = endpoint(ExportKind.TRACES)
    if url is None:
        return unsupported_findings or [
            Finding("tracing", "nothing is exported: OTEL_EXPORTER_OTLP_ENDPOINT is not set")
        ]
    remedy = "start the collector, or correct or remove OTEL_EXPORTER_OTLP_ENDPOINT; the service runs without it too"
    try:
        trust_env = not asks_no_proxy(ExportKind.TRACES)
        async with httpx.AsyncClient(timeout=TRACES_TIMEOUT, verify=_tls_context(), trust_env=trust_env) as client:
            response = await client.post(url, content=b"", headers=_headers())
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError) as error:  # a proxy over SOCKS needs a package
        return [*unsupported_findings, Finding("tracing", f"{url}: {str(error) or type(error).__name__}", remedy)]
    detail = f"{url} answers {response.status_code} {response.reason_phrase}"
    return [*unsupported_findings, Finding("tracing", detail, None if response.is_success else remedy)]


def _headers() -> dict[str, str]:
    """Return the headers that the exporter sends, such as a token."""
    given = os.environ.get(OTEL_EXPORTER_OTLP_TRACES_HEADERS) or os.environ.get(OTEL_EXPORTER_OTLP_HEADERS) or ""
    return {"content-type": PROTOBUF, **parse_env_headers(given, liberal=True)}


def _tls_context() -> ssl.SSLContext:
    """Return the authorities that the exporter trusts."""
    own = os.environ.get(OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE) or os.environ.get(OTEL_EXPORTER_OTLP_CERTIFICATE)
    return ssl.create_default_context(cafile=own or None)
