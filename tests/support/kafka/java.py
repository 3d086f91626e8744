"""A real Apache Kafka without Docker, for tests and the benchmark: one broker in a Java process of its own."""

from __future__ import annotations

import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import KafkaException, NewTopic

from saga_coordinator.service.errors import BrokerError
from tests.support.child_process import ChildProcess, run
from tests.support.kafka.java_jars import class_archive, java_command, kafka_jars, keep_class_archive, missing_tools
from tests.support.kafka.java_secured import Secured, certificate_in


class JavaKafka:
    """One broker, its own controller too, for as long as the `with` block; it never outlives this process.

    It listens on 127.0.0.1 only, creates no topic unasked, and keeps its data and log in `folder`, which must be empty:
    by default a temporary one, removed at the end. It takes about 2 s to start, 6 s after a kill, and 350 MB of memory.
    With `secured` it has a second listener; with `is_optimised` Java takes its time to make it fast, for a benchmark.
    What fails raises BrokerError.
    """

    def __init__(
        self, folder: Path | None = None, secured: Secured | None = None, *, is_optimised: bool = False
    ) -> None:
        self._given_folder = folder
        self._secured = secured
        self._options = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", *(() if is_optimised else (_STARTS_SOON,)))
        self._folder = Path()
        self._port = self._secured_port = self._controller_port = self._next_port = 0
        self._process: ChildProcess | None = None
        self._ending = ExitStack()

    @staticmethod
    def missing() -> str | None:
        """What this machine lacks to run it, in words for a person, or None if nothing is missing."""
        return missing_tools()

    def __enter__(self) -> Self:
        """Start it, having fetched Kafka if this machine never did; returns once it answers."""
        with ExitStack() as ending:
            self._folder = self._given_folder or Path(ending.enter_context(_temporary_folder()))
            self._port, self._secured_port, self._controller_port, self._next_port = _free_ports()
            self._write_settings()
            _format(self._settings_file, self._secured.options() if self._secured else ())
            ending.callback(self.stop)
            self._start()
            self._ending = ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it, and remove its folder if that is a temporary one."""
        self._ending.close()

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, `127.0.0.1:<port>`; a restart does not change it."""
        return f"127.0.0.1:{self._port}"

    @property
    def next_servers(self) -> str:
        """Where clients connect after it has moved."""
        return f"127.0.0.1:{self._next_port}"

    @property
    def secured_servers(self) -> str:
        """Where clients connect over SASL_SSL, if it is secured."""
        return f"127.0.0.1:{self._secured_port}"

    @property
    def certificate(self) -> Path:
        """The certificate that such clients must trust."""
        return certificate_in(self._folder)

    @property
    def log_file(self) -> Path:
        """What Kafka wrote, in this run and those before a restart."""
        return self._folder / "kafka.log"

    def stop(self) -> None:
        """Ask it to shut down, and kill it if it has not done so after 60 s. One that does not run is left alone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it without a warning (SIGKILL). Its data stay, as far as it had handed them to the operating system."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again with the same address and data; one that runs is stopped first. Returns once it answers."""
        self.stop()
        self._start()

    def move(self) -> None:
        """Start it again with the same data at another address. Returns once it answers."""
        self.stop()
        self._port, self._next_port = self._next_port, self._port
        self._write_settings()
        self._start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): its connections stay open, and nobody answers."""
        self._running().freeze()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._running().send(signal.SIGCONT)

    def create_topics(self, topics: Mapping[str, int]) -> None:
        """As the function `create_topics`, on this broker."""
        create_topics(self.bootstrap_servers, topics)

    @property
    def _settings_file(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _new_archive(self) -> Path:
        """Where this broker leaves its classes when it ends, on a machine that has no archive of them yet."""
        return self._folder / "classes.jsa"

    def _write_settings(self) -> None:
        listeners, protocols = f"PLAINTEXT://127.0.0.1:{self._port}", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        if self._secured:
            listeners += f",SECURED://{self.secured_servers}"
            protocols += ",SECURED:SASL_SSL"
        settings = _SETTINGS.format(
            listeners=listeners, protocols=protocols, controller_port=self._controller_port, folder=self._folder
        )
        self._settings_file.write_text(settings + (self._secured.settings(self._folder) if self._secured else ""))

    def _running(self) -> ChildProcess:
        if self._process is None or self._process.exit_code is not None:
            raise BrokerError(f"the Kafka in {self._folder} does not run; {self.log_file} may say why")
        return self._process

    def _start(self) -> None:
        classes = _with_archive(class_archive()) or [f"-XX:ArchiveClassesAtExit={self._new_archive}"]
        command = [*_java(*self._options, *classes), "kafka.Kafka", str(self._settings_file)]
        self._process = ChildProcess(command, self.log_file)
        try:
            self._wait_for_answer()
        except BaseException:
            self.kill()
            raise

    def _wait_for_answer(self) -> None:
        process, admin = self._running(), _admin(self.bootstrap_servers)
        deadline = time.monotonic() + _START_TIMEOUT
        while not _answers(admin):
            if process.exit_code is not None:
                raise BrokerError(f"Kafka ended at once (exit code {process.exit_code}): {_tail(self.log_file)}")
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka did not answer within {_START_TIMEOUT} s: {_tail(self.log_file)}")
            time.sleep(_POLL_INTERVAL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.end(number, _STOP_TIMEOUT)
            if self._new_archive.exists() and self._process.exit_code == _TERMINATED:
                keep_class_archive(self._new_archive)
            self._process = None


def create_topics(bootstrap_servers: str, topics: Mapping[str, int]) -> None:
    """Create topics, as name to number of partitions, on any Kafka, and wait until all partitions have a leader.

    Raises BrokerError if one is refused, for example because it exists, or is not there within 30 s.
    """
    admin = _admin(bootstrap_servers)
    wanted = [NewTopic(name, partitions, 1) for name, partitions in topics.items()]
    for name, created in admin.create_topics(wanted, request_timeout=_CREATE_TIMEOUT).items():
        try:
            created.result()
        except KafkaException as error:
            raise BrokerError(f"{bootstrap_servers} does not create the topic {name}: {error}") from error
    deadline = time.monotonic() + _CREATE_TIMEOUT
    while not all(_leaders(admin, name) == partitions for name, partitions in topics.items()):
        if time.monotonic() > deadline:
            raise BrokerError(f"the new topics {', '.join(topics)} have no leaders after {_CREATE_TIMEOUT} s")
        time.sleep(_POLL_INTERVAL)


_STARTS_SOON: Final = "-XX:TieredStopAtLevel=1"
_TERMINATED: Final = 143  # of a Java that SIGTERM has ended in order

_START_TIMEOUT: Final = 60.0
_STOP_TIMEOUT: Final = 60.0
_CREATE_TIMEOUT: Final = 30.0
_FORMAT_TIMEOUT: Final = 60.0
_REQUEST_TIMEOUT: Final = 1.0
_POLL_INTERVAL: Final = 0.02
_CLUSTER_ID: Final = "c2FnYS1jb29yZGluYXRvcg"  # 16 bytes in base64; any will do, but for a leading hyphen
_PORTS: Final = range(20_000, 32_000)
_SETTINGS: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners={listeners}
listener.security.protocol.map={protocols}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={folder}/data
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


def _java(*options: str) -> list[str]:
    return [java_command(), *options, "-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp", f"{kafka_jars()}/*"]


def _with_archive(archive: Path) -> list[str]:
    return [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="saga-kafka-")


def _free_ports() -> tuple[int, int, int, int]:
    # None that the system gives to outgoing connections: while the broker is down, a client that tries to reach it
    # could be given its very port, would then be connected to itself, and the broker could not come back.
    free = filter(_is_free, secrets.SystemRandom().sample(_PORTS, 200))
    return next(free), next(free), next(free), next(free)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _format(settings_file: Path, options: Sequence[str]) -> None:
    java = _java(_STARTS_SOON, *_with_archive(class_archive()))
    command = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(settings_file), *options]
    run(command, purpose=f"prepare {settings_file.parent} for Kafka's data", within=_FORMAT_TIMEOUT)


def _admin(bootstrap_servers: str) -> AdminClient:
    quiet = {"log_level": 0, "reconnect.backoff.max.ms": 200}  # to meet a closed port is expected here
    return AdminClient({"bootstrap.servers": bootstrap_servers, **quiet})


def _answers(admin: AdminClient) -> bool:
    try:
        return bool(admin.list_topics(timeout=_REQUEST_TIMEOUT).brokers)
    except KafkaException:
        return False


def _leaders(admin: AdminClient, topic: str) -> int:
    partitions = admin.list_topics(topic, timeout=_CREATE_TIMEOUT).topics[topic].partitions.values()
    return sum(partition.leader >= 0 for partition in partitions)


def _tail(log_file: Path) -> str:
    lines = log_file.read_text(errors="replace").splitlines()[-30:]
    return "\n".join([f"the end of {log_file}:", *lines])
