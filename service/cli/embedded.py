"""Kafka for development, within the process of `saga serve --embedded`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

import typer

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.catalog import build_routes
from saga_coordinator.service.cli.console import fail, remark
from saga_coordinator.service.cli.environment import fields, origin
from saga_coordinator.service.kafka.admin import PARTITIONS, topic_purposes
from saga_coordinator.service.settings import KafkaSettings, Settings

INTERRUPTED: Final = 130
CLIENT: Final = "confluent_kafka"
REPLACED: Final = (("kafka", "bootstrap_servers"), ("store",))
"""The settings whose values are those of the embedded broker and of its database."""


@contextmanager
def embedded_kafka(settings: Settings, catalog: Sequence[AnySaga]) -> Iterator[Settings]:
    """Start a broker with the topics of a catalog and an empty database, and yield the settings that use both.

    Standard output says how other programs find them, as lines for a shell. Both are gone at the end.
    """
    _refuse_replaced()
    with demo_extra():
        from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker  # noqa: PLC0415  an extra
    topics = dict.fromkeys(topic_purposes(build_routes(catalog, settings)), PARTITIONS)
    with EmbeddedBroker(topics) as broker, TemporaryDirectory(prefix="saga-embedded-") as folder:
        kafka = KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            group=settings.kafka.group,
            fetch_wait=0.02,
            start_from="beginning",  # every record of this broker is new
        )
        store = f"sqlite:///{folder}/saga.db"
        remark(
            f"saga: an embedded Kafka broker with {len(topics)} topics, for development only: it keeps everything in "
            "memory, and the broker and the database are gone when this process ends. For other terminals:"
        )
        sys.stdout.write(f"export SAGA_KAFKA__BOOTSTRAP_SERVERS={kafka.bootstrap_servers}\nexport SAGA_STORE={store}\n")
        sys.stdout.flush()
        yield settings.model_copy(update={"kafka": kafka, "store": store})


@contextmanager
def demo_extra() -> Iterator[None]:
    """Import what the extra `demo` brings; where it is missing, print what to install, and end with 1."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] != CLIENT:
            raise
        fail(
            f"{error}. `saga demo` and `saga serve --embedded` need confluent-kafka: install the extra, "
            "saga-coordinator[demo]; in a clone of the sources `make setup` installs it"
        )
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _refuse_replaced() -> None:
    """Exit with 2 if the environment names a broker or a database: nobody must mistake the embedded ones for them."""
    names = [name for name, path, _ in fields() if path in REPLACED and origin(path)]
    if names:
        remark(
            f"saga: --embedded starts a broker and a database of its own: unset {' and '.join(names)}, "
            "or start without --embedded"
        )
        raise typer.Exit(2)
