"""One parser of addresses: what is accepted, and how it is written back."""

import pytest
from pydantic import ValidationError

from saga_coordinator.service.addresses import Address, is_local, parse_address
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
