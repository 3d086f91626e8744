"""Fetches the jars of Apache Kafka with Maven: once a machine, into a cache folder that processes share."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

KAFKA_VERSION: Final = "4.1.0"


class JavaKafkaError(RuntimeError):
    """A real Kafka could not be fetched, started or asked; the message says why, and where to read on."""


def missing_tools() -> str | None:
    """What this machine lacks for a real Kafka, in words for a person, or None if nothing is missing.

    Maven is needed only while the jars are not in the cache.
    """
    lacks = [_missing_java()]
    if not _jars_folder().is_dir() and shutil.which("mvn") is None:
        lacks.append("Maven, to fetch Kafka (Debian: apt-get install maven; macOS: brew install maven)")
    return " and ".join(lack for lack in lacks if lack) or None


def java_command() -> str:
    """The path of the Java to use: that of JAVA_HOME if set, else the one on the PATH."""
    java = _java()
    if java is None:
        raise JavaKafkaError(f"a real Kafka cannot start here, missing is {missing_tools()}")
    return java


def kafka_jars() -> Path:
    """The folder with Kafka's jars (43 MB); the first call on a machine fetches them, which takes some seconds."""
    folder = _jars_folder()
    if not folder.is_dir():
        with _locked(folder.with_suffix(".lock")):
            if not folder.is_dir():  # another process may have fetched them while this one waited
                _fetch(folder)
    return folder


_JAVA_NEEDED: Final = 17
_FETCH_WITHIN: Final = 600  # seconds
_COPY_JARS: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>saga-coordinator</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency> <!-- without it Kafka would log nothing, not even why it cannot start -->
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""


def _jars_folder() -> Path:
    cache = os.environ.get("SAGA_KAFKA_CACHE")
    folder = Path(cache) if cache else Path.home() / ".cache" / "saga-coordinator"
    return folder / f"kafka-{KAFKA_VERSION}"


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")


def _missing_java() -> str | None:
    needed = f"Java {_JAVA_NEEDED} or newer"
    remedy = "Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk"
    java = _java()
    if java is None:
        return f"{needed} ({remedy})"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr.strip()
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < _JAVA_NEEDED:
        return f"{needed}, as {java} says {told.splitlines()[:1]} ({remedy})"
    return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed by the system when the file is closed, also by the death of its owner
        yield


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as work:
        (Path(work) / "pom.xml").write_text(_POM)
        command = ["mvn", "--batch-mode", "--quiet", _COPY_JARS, "-DoutputDirectory=jars"]
        try:
            done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=_FETCH_WITHIN, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise JavaKafkaError(f"Maven could not fetch Kafka {KAFKA_VERSION}: {error}") from error
        if done.returncode:
            raise JavaKafkaError(f"Maven could not fetch Kafka {KAFKA_VERSION}:\n{done.stdout}{done.stderr}")
        (Path(work) / "jars").rename(folder)
