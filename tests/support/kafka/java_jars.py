"""Fetches the jars of Apache Kafka with Maven: once a machine, into a cache folder that processes share."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from saga_coordinator.service.errors import BrokerError
from tests.support.child_process import run

KAFKA_VERSION: Final = "4.1.0"


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
        raise BrokerError(f"a real Kafka cannot start here, missing is {missing_tools()}")
    return java


def kafka_jars() -> Path:
    """The folder with Kafka's jars (43 MB), within SAGA_TEST_KAFKA_CACHE or else ~/.cache/saga-coordinator.

    The first call on a machine fetches them, which takes some seconds; processes that ask at once fetch them once.
    """
    folder = _jars_folder()
    if not folder.is_dir():
        with _locked(folder.parent / f"{folder.name}.lock"):
            if not folder.is_dir():  # another process may have fetched them while this one waited
                _fetch(folder)
    return folder


def class_archive() -> Path:
    """The file with Kafka's classes as this very Java reads them at once; it is missing until a broker has left it."""
    installed_at = int(Path(java_command()).resolve().stat().st_mtime)
    return _jars_folder().with_name(f"kafka-{KAFKA_VERSION}-classes-{installed_at}.jsa")


def keep_class_archive(new: Path) -> None:
    """Keep the classes that a broker has left, for all that start later."""
    archive = class_archive()
    unfinished = archive.with_name(f"{archive.name}.{uuid4()}")
    shutil.move(new, unfinished)
    unfinished.replace(archive)


_MIN_JAVA: Final = 17
_FETCH_TIMEOUT: Final = 600  # seconds
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
    cache = os.environ.get("SAGA_TEST_KAFKA_CACHE")
    folder = Path(cache) if cache else Path.home() / ".cache" / "saga-coordinator"
    return folder / f"kafka-{KAFKA_VERSION}"


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")


def _missing_java() -> str | None:
    java = _java()
    found = _version(java) if java else None
    if found is not None and found >= _MIN_JAVA:
        return None
    instead = f", where {java} is Java {found or 'of an unknown version'}" if java else ""
    return (
        f"Java {_MIN_JAVA} or newer{instead} "
        "(Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk, and set JAVA_HOME)"
    )


def _version(java: str) -> int | None:
    try:
        output = run([java, "-version"], purpose="ask Java for its version", within=60)
    except BrokerError:  # macOS has a java that only says where to get one
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(version[1]) if version else None


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
        run(command, purpose=f"fetch Kafka {KAFKA_VERSION} with Maven", within=_FETCH_TIMEOUT, folder=Path(work))
        (Path(work) / "jars").rename(folder)
