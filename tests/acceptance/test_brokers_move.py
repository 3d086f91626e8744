"""A Kafka that gets another address, or other credentials: the service finds it again without a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports them all, and does not say so
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.acceptance._support.foreign_client import (
    CHARGE,
    CONFIRMED,
    NOTIFY,
    RESERVE,
    SHIP,
    ForeignClient,
)
from tests.acceptance._support.processes import Serve
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka
from tests.support.kafka.java_secured import Secured
from tests.support.kafka_fixtures import give_up

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

USER, OLD, NEW = "saga", "the-old-password", "the-new-password"
WITHIN_S = 60.0


@pytest.fixture
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaKafka]:
    """A Kafka of one test."""
    if missing := JavaKafka.missing():
        give_up(f"it needs a real Kafka of its own: install {missing}")
    with JavaKafka(tmp_path_factory.mktemp("kafka"), Secured({USER: OLD})) as kafka:
        recreate_topics(kafka)
        yield kafka


def fulfil(servers: str, order: str) -> None:
    """See an order placed, carried out and confirmed."""
    with ForeignClient(servers) as client:
        client.place(order)
        for type_ in (RESERVE, CHARGE, SHIP, NOTIFY):
            client.answer(client.wait_for(order, type_))
        client.wait_for(order, CONFIRMED)


def test_after_all_brokers_moved_it_is_ready_within_a_minute(kafka: JavaKafka, tmp_path: Path) -> None:
    both = f"{kafka.bootstrap_servers},{kafka.next_servers}"
    with Serve(tmp_path, both, SAGA_KAFKA__REQUEST_TIMEOUT="4") as serve:
        serve.start()
        fulfil(kafka.bootstrap_servers, "before")
        kafka.move()
        until(lambda: not is_ready(serve), "it sees that the brokers do not answer")
        serve.is_ready_within(WITHIN_S)
        fulfil(kafka.bootstrap_servers, "after")
        assert serve.stop() == 0


def test_a_password_that_changes_in_its_file_is_used_without_a_restart(kafka: JavaKafka, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(OLD)
    variables = {
        "SAGA_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "SAGA_KAFKA__SASL_USERNAME": USER,
        "SAGA_KAFKA__SASL_PASSWORD_FILE": str(file),
        "SAGA_KAFKA__SSL_CAFILE": str(kafka.certificate),
        "SAGA_KAFKA__REQUEST_TIMEOUT": "4",
    }
    with Serve(tmp_path, kafka.secured_servers, **variables) as serve:
        allow_everything(kafka)
        serve.start()
        change_password(kafka, NEW)
        kafka.restart()
        until(lambda: "SaslAuthenticationFailed" in body(serve), "readiness says that the password is wrong")
        file.write_text(NEW)
        serve.is_ready_within(WITHIN_S)
        fulfil(kafka.bootstrap_servers, "after")
        assert serve.stop() == 0
    assert OLD not in serve.log
    assert NEW not in serve.log


def is_ready(serve: Serve) -> bool:
    answer = serve.get("/readyz")
    return answer is not None and answer.status == 200


def body(serve: Serve) -> str:
    answer = serve.get("/readyz")
    return "" if answer is None else answer.body


def allow_everything(kafka: JavaKafka) -> None:
    """Let the user do everything on topics and groups."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    rules = [
        AclBinding(
            kind, "*", ResourcePatternType.LITERAL, f"User:{USER}", "*", AclOperation.ALL, AclPermissionType.ALLOW
        )
        for kind in (ResourceType.TOPIC, ResourceType.GROUP)
    ]
    for each in admin.create_acls(rules).values():
        each.result()


def change_password(kafka: JavaKafka, password: str) -> None:
    """Give the user another password."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion(USER, info, password.encode())
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for each in admin.alter_user_scram_credentials([change]).values():
        each.result()
