"""A real Apache Kafka without Docker, for tests and the benchmark: one broker in a Java process of its own."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import KafkaException, NewTopic

from service.kafka.java_jars import JavaKafkaError, java_command, kafka_jars, missing_tools


class JavaKafka:
    """One broker, which is its own controller, and lives as long as the `with` block; it never outlives this process.

    It listens on 127.0.0.1 only, creates no topic by itself, and keeps data and log in `folder`: by default a temporary
    one that is removed at the end. It is ready in about 3 s and needs 350 MB of memory. What fails raises JavaKafkaError.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder_given = folder
        self._folder = Path()
        self._port = 0
        self._running: _Running | None = None
        self._ending = ExitStack()

    @staticmethod
    def missing() -> str | None:
        """What this machine lacks to run it, in words for a person, or None if nothing is missing."""
        return missing_tools()

    def __enter__(self) -> Self:
        """Fetch Kafka if this machine never did, and start it; returns once it answers."""
        with ExitStack() as ending:
            self._folder = self._folder_given or Path(ending.enter_context(_temporary_folder()))
            self._port, controller_port = _free_port(), _free_port()
            _write_settings(self._folder, self._port, controller_port)
            _format(self._folder)
            ending.callback(self.stop)
            self._start()
            self._ending = ending.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it, and remove its temporary folder."""
        self._ending.close()

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, `127.0.0.1:<port>`; it stays the same when the broker is restarted."""
        return f"127.0.0.1:{self._port}"

    @property
    def log_file(self) -> Path:
        """What Kafka wrote, over all its restarts."""
        return self._folder / "kafka.log"

    def stop(self) -> None:
        """Ask it to stop, and kill it if it has not done so within 20 s; it may have been stopped or killed before."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it as `kill -9` does; what it had not written to its files is lost."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it on the same ports and data, after stopping it if it still runs; returns once it answers."""
        self.stop()
        self._start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers, until `resume`."""
        self._alive().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._alive().signal(signal.SIGCONT)

    def create_topics(self, topics: Mapping[str, int]) -> None:
        """Create topics, given as name to number of partitions, and wait until they can be written to."""
        create_topics(self.bootstrap_servers, topics)

    def _start(self) -> None: ...
