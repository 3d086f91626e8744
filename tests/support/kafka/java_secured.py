"""A second way into a Kafka of our own: encrypted, for users with a password, who may do only what they were allowed.

Its first listener stays open to every client, with all rights: for brokers, and for the set-up of tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.child_process import run

_OPENSSL_TIMEOUT: Final = 60.0
_SETTINGS: Final = """\
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={folder}/server.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True, slots=True)
class Secured:
    """Users of SCRAM-SHA-512 by name, with their passwords."""

    users: Mapping[str, str]

    def settings(self, folder: Path) -> str:
        """Make key and certificate of the broker in its folder, and return the lines for its settings."""
        key, certificate = folder / "server.key", certificate_in(folder)
        names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        command += ["-addext", names, "-keyout", str(key), "-out", str(certificate)]
        run(command, purpose="make a certificate for Kafka", within=_OPENSSL_TIMEOUT)
        (folder / "server.pem").write_text(key.read_text() + certificate.read_text())
        return _SETTINGS.format(folder=folder)

    def options(self) -> Sequence[str]:
        """Return the options of Kafka's format that add the users."""
        scrams = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in self.users.items()]
        return [word for scram in scrams for word in ("--add-scram", scram)]


def certificate_in(folder: Path) -> Path:
    """Return where the certificate of the broker lies, which its clients must trust."""
    return folder / "server.crt"
