"""One parser of addresses: what is accepted, and how it is written back."""

import pytest
from pydantic import ValidationError

from saga_coordinator.service.addresses import Address, PostgresAddress, is_local, parse_address, parse_postgres
from saga_coordinator.service.settings import ApiSettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("[::1]:8080", Address("::1", 8080)),
        ("kafka-1.example:9092", Address("kafka-1.example", 9092)),
    ],
)
def test_an_address_is_parsed_and_written_back(text: str, expected: Address) -> None:
    assert parse_address(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["8080", "localhost", ":8080", "", "a:http", "a:65536", "::1:8080", "[a]:1", "a:-1"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be HOST:PORT, such as 127\.0\.0\.1:8080 or \[::1\]:8080"):
        parse_address(text)


@pytest.mark.parametrize("bind", ["127.0.0.1:8081", "[::1]:8081", "localhost:8081", "unix:/run/saga/actions.sock"])
def test_operator_actions_are_bound_to_this_machine(bind: str) -> None:
    assert ApiSettings(bind="0.0.0.0:8080", admin_bind=bind).actions_bind == bind
    assert is_local(bind)


@pytest.mark.parametrize("bind", ["0.0.0.0:8081", "[::]:8081", "192.0.2.1:1", "unix:relative.sock", "unix:", "8081"])
def test_operator_actions_are_bound_to_nothing_else(bind: str) -> None:
    with pytest.raises(ValidationError, match="must be"):
        ApiSettings(admin_bind=bind)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://kim@db/orders", PostgresAddress((Address("db", 5432),), "orders", "kim", "verify-full")),
        (
            "postgresql://kim@a,b:6432,[::2]:1,[::3]/o%20s?sslmode=disable",
            PostgresAddress(
                (Address("a", 5432), Address("b", 6432), Address("::2", 1), Address("::3", 5432)),
                "o s",
                "kim",
                "disable",
            ),
        ),
        ("postgresql://127.0.0.1/orders", PostgresAddress((Address("127.0.0.1", 5432),), "orders", None, "disable")),
        ("postgresql:///orders", PostgresAddress((Address("localhost", 5432),), "orders", None, "disable")),
        (
            "postgresql://saga@/orders?host=/run/pg&port=6432",
            PostgresAddress((Address("/run/pg", 6432),), "orders", "saga", "disable"),
        ),
        (
            "postgresql://k%40@localhost,db/orders?sslmode=verify-ca",
            PostgresAddress((Address("localhost", 5432), Address("db", 5432)), "orders", "k@", "verify-ca"),
        ),
        (
            "postgresql://localhost,db/o",
            PostgresAddress((Address("localhost", 5432), Address("db", 5432)), "o", None, "verify-full"),
        ),
    ],
)
def test_a_url_of_postgresql_is_parsed_and_verified_unless_it_is_of_this_machine(
    url: str, expected: PostgresAddress
) -> None:
    assert parse_postgres(url) == expected


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("postgresql://db", "must be postgresql://USER@HOST"),
        ("postgresql://db/", "must be postgresql://USER@HOST"),
        ("postgresql://db/orders#x", "must be postgresql://USER@HOST"),
        ("postgresql://db/orders?sslkey=x", "must be postgresql://USER@HOST"),
        ("mysql://db/orders", "must be postgresql://USER@HOST"),
        ("postgresql://db:port/orders", "must be HOST:PORT"),
        ("postgresql://kim:secret@db/orders", "holds a password: set SAGA_STORE_PASSWORD"),
        ("postgresql://db/orders?sslmode=require", "sslmode=require is none of disable, verify-ca, verify-full"),
    ],
)
def test_another_url_of_postgresql_is_refused_with_what_it_must_be(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_postgres(url)
