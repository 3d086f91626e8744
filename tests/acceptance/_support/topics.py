"""Delete the topics of order fulfilment on a Kafka of the tests, and recreate them by `saga topics apply`."""

from confluent_kafka.admin import AdminClient

from tests.acceptance._support.processes import saga
from tests.acceptance._support.until import until
from tests.support.kafka.java import JavaKafka


def recreate_topics(kafka: JavaKafka) -> None:
    """Leave a Kafka with the topics of order fulfilment, all of them empty, and no others."""
    delete_topics(kafka)
    applied = saga("topics", "apply", SAGA_KAFKA__BOOTSTRAP_SERVERS=kafka.bootstrap_servers)
    assert applied.returncode == 0, applied.stderr


def delete_topics(kafka: JavaKafka, *names: str) -> None:
    """Delete these topics, or every topic but Kafka's own, and wait until they are gone."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    if unwanted := [name for name in topics(admin) if not names or name in names]:
        for deleted in admin.delete_topics(unwanted).values():
            deleted.result()
    until(lambda: not set(unwanted) & set(topics(admin)), f"the topics {unwanted} are deleted")


def topics(admin: AdminClient) -> list[str]:
    """The topics that are not Kafka's own."""
    return [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")]
