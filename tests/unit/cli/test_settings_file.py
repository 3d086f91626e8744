"""Settings from a file beside the variables; what is no setting, or contradicts another, is refused."""

from pathlib import Path

import pytest

from tests.unit.cli._support.said import Saga

CANARY = "canary-7d1f"


def test_a_variable_overrides_the_file_and_both_are_shown_with_their_origin(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "saga.toml").write_text('name = "shop"\n[kafka]\nbatch = 7\nfetch_wait = 0.5\n')
    monkeypatch.setenv("SAGA_SETTINGS", "saga.toml")
    monkeypatch.setenv("SAGA_KAFKA__BATCH", "9")

    shown = {each["name"]: (each["value"], each["origin"]) for each in saga.does("config", "--json").json}

    assert shown["SAGA_NAME"] == ("shop", "file")
    assert shown["SAGA_KAFKA__GROUP"] == ("shop-coordinator", "default")
    assert shown["SAGA_KAFKA__FETCH_WAIT"] == ("0.5", "file")
    assert shown["SAGA_KAFKA__BATCH"] == ("9", "environment")
    assert shown["SAGA_KAFKA__REQUEST_TIMEOUT"] == ("10.0", "default")


def test_what_is_wrong_in_the_file_is_named_with_the_file(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "saga.toml").write_text('stroe = "sqlite:///x.db"\n[kafka]\nbatch = "many"\nbatches = 3\n')
    monkeypatch.setenv("SAGA_SETTINGS", "saga.toml")

    said = saga("ls")

    assert said.code == 2
    assert sorted(said.err.splitlines()) == [
        "saga: SAGA_KAFKA__BATCH=many (in saga.toml): must be a valid integer, unable to parse string as an integer",
        "saga: SAGA_KAFKA__BATCHES is no setting: did you mean SAGA_KAFKA__BATCH? (in saga.toml)",
        "saga: SAGA_STROE is no setting: did you mean SAGA_STORE? (in saga.toml)",
    ]


@pytest.mark.parametrize("content", [b"batch: 7", b"\xff"])
def test_a_file_that_is_no_toml_is_named(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "saga.toml").write_bytes(content)
    monkeypatch.setenv("SAGA_SETTINGS", "saga.toml")

    said = saga("ls")

    assert said.code == 2
    assert "SAGA_SETTINGS=saga.toml: must be a file in TOML" in said.err


def test_a_file_that_is_not_there_is_named(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_SETTINGS", "nowhere.toml")
    monkeypatch.setenv("SAGA_KAFKA__BATCH", "many")

    said = saga("ls")

    assert said.code == 2
    assert "SAGA_SETTINGS=nowhere.toml: there is no such file" in said.err
    assert "SAGA_KAFKA__BATCH=many: must be" in said.err


@pytest.mark.parametrize("name", ["", "a b", "-a", "x" * 65, "é"])
def test_a_name_that_no_topic_can_begin_with_is_refused(saga: Saga, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("SAGA_NAME", name)
    said = saga("ls")
    assert (said.code, said.err.startswith(f"saga: SAGA_NAME={name}: must be at most 64 letters")) == (2, True)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("SAGA_STROE", "SAGA_STORE"),
        ("SAGA_KAFAKA__BATCH", "SAGA_KAFKA__BATCH"),
        ("SAGA_KAFKA_GROUP", "SAGA_KAFKA__GROUP"),
        ("saga_kafka_batch", "SAGA_KAFKA__BATCH"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_with_the_nearest_name(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, wrong: str, meant: str
) -> None:
    monkeypatch.setenv(wrong, CANARY)

    said = saga("ls")

    assert (said.code, said.err) == (2, f"saga: {wrong} is no setting: did you mean {meant}?\n")


def test_the_variables_that_kubernetes_makes_of_services_are_left_alone(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in ("SAGA", "SAGA_COORDINATOR"):
        links = {
            "SERVICE_HOST": "10.0.0.1",
            "SERVICE_PORT": "80",
            "SERVICE_PORT_HTTP": "80",
            "PORT": "tcp://10.0.0.1:80",
        }
        of_a_port = {"": "tcp://10.0.0.1:80", "_PROTO": "tcp", "_PORT": "80", "_ADDR": "10.0.0.1"}
        for name, value in (links | {f"PORT_80_TCP{end}": value for end, value in of_a_port.items()}).items():
            monkeypatch.setenv(f"{service}_{name}", value)
    saga.does("config")
    monkeypatch.setenv("SAGA_API_PORT", "8080")
    assert "SAGA_API_PORT is no setting" in saga("config").err


@pytest.mark.parametrize(
    ("variables", "refusal"),
    [
        (
            {"SASL_USERNAME": "saga"},
            (
                "SAGA_KAFKA__SASL_USERNAME=saga: is not used with SAGA_KAFKA__SECURITY_PROTOCOL=PLAINTEXT: "
                "set that to SASL_PLAINTEXT or SASL_SSL, or unset this"
            ),
        ),
        (
            {"SECURITY_PROTOCOL": "SSL", "SASL_PASSWORD": CANARY},
            (
                "SAGA_KAFKA__SASL_PASSWORD: is not used with SAGA_KAFKA__SECURITY_PROTOCOL=SSL: "
                "set that to SASL_PLAINTEXT or SASL_SSL, or unset this"
            ),
        ),
        (
            {"SECURITY_PROTOCOL": "PLAINTEXT", "SSL_KEYFILE": "/dev/null"},
            (
                "SAGA_KAFKA__SSL_KEYFILE=/dev/null: is not used with SAGA_KAFKA__SECURITY_PROTOCOL=PLAINTEXT: "
                "set that to SSL or SASL_SSL, or unset this"
            ),
        ),
        (
            {"SECURITY_PROTOCOL": "SSL", "SSL_KEYFILE": "/dev/null"},
            "SAGA_KAFKA__*: ssl_keyfile needs ssl_certfile, the certificate of that key",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], refusal: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"SAGA_KAFKA__{name}", value)

    said = saga("ls")

    assert (said.code, said.err) == (2, f"saga: {refusal}\n")
