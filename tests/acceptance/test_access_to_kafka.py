"""A Kafka with authentication: the right user works; a wrong one is reported by readiness, without a restart."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it exports them all, and does not say so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.acceptance._support.business import business_on
from tests.acceptance._support.processes import Serve, saga
from tests.acceptance._support.topics import recreate_topics
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka
from tests.support.kafka.java_secured import Secured
from tests.support.kafka_fixtures import give_up

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

USER, PASSWORD = "saga", "pass-of-saga"
SHIPPING, REPLIES = "shipping.commands.v1", "saga.replies.v1"
TOPICS: Final = (ResourceType.TOPIC, "*", ResourcePatternType.LITERAL)
GROUP: Final = "saga-coordinator-1"
GROUPS: Final = (ResourceType.GROUP, "saga-coordinator-", ResourcePatternType.PREFIXED)


PLAINTEXT: Final = dict.fromkeys(
    [
        f"SAGA_KAFKA__{name}"
        for name in ("SECURITY_PROTOCOL", "SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD", "SSL_CAFILE")
    ],
    "",
)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaKafka]:
    """A Kafka with one user, whose topics are there."""
    if missing := JavaKafka.missing():
        give_up(f"it needs a real Kafka of its own, with users: install {missing}")
    with JavaKafka(tmp_path_factory.mktemp("kafka"), Secured({USER: PASSWORD})) as kafka:
        recreate_topics(kafka)
        yield kafka


@pytest.fixture
def allowed(kafka: JavaKafka) -> Iterator[JavaKafka]:
    """That Kafka with empty topics, while its user may do what the coordinator must do."""
    recreate_topics(kafka)
    forbid_everything(kafka)
    allow(kafka, TOPICS, AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE)
    allow(kafka, GROUPS, AclOperation.READ)
    yield kafka
    forbid_everything(kafka)


def test_the_right_user_works_over_sasl_ssl(allowed: JavaKafka, tmp_path: Path) -> None:
    with business_on(allowed.bootstrap_servers, tmp_path, variables=as_user(allowed)) as shop:
        shop.order(30)
        shop.ends()
    assert PASSWORD not in shop.serve.log


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"SAGA_KAFKA__SASL_PASSWORD": "wrong"}, ("SaslAuthenticationFailed", "SAGA_KAFKA__SASL_USERNAME=saga")),
        ({"SAGA_KAFKA__SASL_USERNAME": "nobody"}, ("SaslAuthenticationFailed", "SAGA_KAFKA__SASL_USERNAME=nobody")),
        ({"SAGA_KAFKA__SASL_MECHANISM": "SCRAM-SHA-256"}, ("SCRAM-SHA-256", "SAGA_KAFKA__SASL_MECHANISM")),
        ({"SAGA_KAFKA__SSL_CAFILE": ""}, ("CERTIFICATE_VERIFY_FAILED", "SAGA_KAFKA__SSL_CAFILE")),
        (PLAINTEXT, ("SAGA_KAFKA__SECURITY_PROTOCOL=PLAINTEXT",)),
    ],
    ids=["password", "user", "mechanism", "authority", "protocol"],
)
def test_with_wrong_credentials_it_is_not_ready_and_names_the_wrong_setting(
    allowed: JavaKafka, tmp_path: Path, wrong: Mapping[str, str], words: tuple[str, ...]
) -> None:
    variables = {name: value for name, value in {**as_user(allowed), **wrong}.items() if value}
    with Serve(tmp_path, allowed.secured_servers, **variables) as serve:
        serve.start(ready=False)
        until(lambda: says(serve, *words), f"readiness reports {words}: {serve.get('/readyz')}")
        assert serve.stop() == 0
    assert PASSWORD not in serve.log
    assert "Traceback" not in serve.log


def test_a_user_without_rights_on_the_topics_is_reported_and_works_after_a_grant(
    kafka: JavaKafka, tmp_path: Path
) -> None:
    forbid_everything(kafka)
    with Serve(tmp_path, kafka.secured_servers, **as_user(kafka)) as serve:
        serve.start(ready=False)
        until(
            lambda: says(serve, "does not show", SHIPPING, "allow user saga Describe"), "readiness reports the topics"
        )
        allow(kafka, TOPICS, AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE)
        until(lambda: says(serve, "allow user saga Read on the consumer group"), "readiness reports the group")
        allow(kafka, GROUPS, AclOperation.READ)
        serve.is_ready_within(20)
        assert serve.stop() == 0
    forbid_everything(kafka)


@pytest.mark.parametrize(("topic", "operation"), [(SHIPPING, AclOperation.WRITE), (REPLIES, AclOperation.READ)])
def test_a_revoked_right_is_reported_and_nothing_is_lost_when_it_is_granted_again(
    allowed: JavaKafka, tmp_path: Path, topic: str, operation: AclOperation
) -> None:
    on = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL)
    with business_on(allowed.bootstrap_servers, tmp_path, variables=as_user(allowed)) as shop:
        shop.keep_ordering()
        allow(allowed, on, operation, permission=AclPermissionType.DENY)
        shop.is_not_ready(topic, "TopicAuthorizationFailedError", "allow user saga")
        assert shop.serve.exit_code is None
        forbid(allowed, on, operation, permission=AclPermissionType.DENY)
        shop.serve.is_ready_within(20)
        shop.ends()


def test_the_doctor_names_each_right_that_is_missing_with_the_command_that_grants_it(
    allowed: JavaKafka, tmp_path: Path
) -> None:
    def examined(code: int) -> dict[str, Any]:
        variables = {"SAGA_KAFKA__GROUP": GROUP, "SAGA_STORE": f"sqlite:///{tmp_path}/saga.db"}
        said = saga("doctor", "--json", **as_user(allowed), **variables)
        assert said.returncode == code, said.stdout + said.stderr
        return {each["check"]: each for each in json.loads(said.stdout)["checks"]}

    assert (
        examined(0)["rights"]["found"]
        == "User:saga has all that `saga topics acls` lists, as far as the broker reports them"
    )
    denied = [((ResourceType.TOPIC, SHIPPING), "Write"), ((ResourceType.TOPIC, REPLIES), "Read")]
    denied.append(((ResourceType.GROUP, GROUP), "Read"))
    for (kind, name), operation in denied:
        on = (kind, name, ResourcePatternType.LITERAL)
        allow(allowed, on, AclOperation[operation.upper()], permission=AclPermissionType.DENY)

    failed = {name: each for name, each in examined(1).items() if not each["ok"]}

    assert list(failed) == [
        f"Read on group {GROUP}",
        f"Read on topic {REPLIES}",
        f"Write on topic {SHIPPING}",
    ]
    write = failed[f"Write on topic {SHIPPING}"]
    assert write["found"] == "User:saga lacks this right, which is for commands, outcomes and dead letters"
    assert write["remedy"].startswith("kafka-acls.sh --bootstrap-server ")
    assert write["remedy"].endswith(f"--allow-principal User:saga --operation Write --topic {SHIPPING}")
    forbid_everything(allowed)
    assert len([name for name in examined(1) if name.startswith(("Read on ", "Write on "))]) == 11


def as_user(kafka: JavaKafka) -> dict[str, str]:
    """The settings of the user."""
    return {
        "SAGA_KAFKA__BOOTSTRAP_SERVERS": kafka.secured_servers,
        "SAGA_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "SAGA_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "SAGA_KAFKA__SASL_USERNAME": USER,
        "SAGA_KAFKA__SASL_PASSWORD": PASSWORD,
        "SAGA_KAFKA__SSL_CAFILE": str(kafka.certificate),
        "SAGA_KAFKA__REQUEST_TIMEOUT": "4",
        "SAGA_KAFKA__SESSION_TIMEOUT": "6",
    }


def says(serve: Serve, *words: str) -> bool:
    """Whether it is up and not ready, for a reason that has these words."""
    assert serve.exit_code is None, f"it ended:\n{serve.log[-2000:]}"
    answer = serve.get("/readyz")
    return answer is not None and answer.status == 503 and all(word in answer.body for word in words)


On = tuple[ResourceType, str, ResourcePatternType]


def allow(
    kafka: JavaKafka, on: On, *operations: AclOperation, permission: AclPermissionType = AclPermissionType.ALLOW
) -> None:
    """Give the user rights, or deny them."""
    kind, name, pattern = on
    bindings = [AclBinding(kind, name, pattern, f"User:{USER}", "*", each, permission) for each in operations]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for each in admin.create_acls(bindings).values():
        each.result()


def forbid(kafka: JavaKafka, on: On, operation: AclOperation, *, permission: AclPermissionType) -> None:
    """Take one such rule back."""
    kind, name, pattern = on
    rule = AclBindingFilter(kind, name, pattern, f"User:{USER}", "*", operation, permission)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for each in admin.delete_acls([rule]).values():
        each.result()


def forbid_everything(kafka: JavaKafka) -> None:
    """Take all rules back."""
    every: tuple[Any, ...] = (ResourceType.ANY, None, ResourcePatternType.ANY, None, None)
    anything = AclBindingFilter(*every, AclOperation.ANY, AclPermissionType.ANY)  # type: ignore[call-arg]  # it counts the names
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for each in admin.delete_acls([anything]).values():
        each.result()
