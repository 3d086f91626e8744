"""Settings by the names of their variables: what holds, where it comes from, what is wrong; secrets never (I40)."""

from pathlib import Path

import pytest

from saga_coordinator.service.cli.config import settings_table
from tests.unit.cli._support.said import Saga

ROOT = Path(__file__).parents[3]
CANARY = "canary-2b7e"
STORES = "sqlite:///relative/file.db, sqlite:////absolute/file.db or postgresql://USER@HOST/DATABASE"
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


def test_every_setting_is_shown_with_value_default_and_origin(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BATCH", "50")
    monkeypatch.setenv("saga_log__level", "debug")
    monkeypatch.setenv("SAGA_API", '{"bind": "127.0.0.1:9999"}')

    shown = {each["name"]: each for each in saga.does("config", "--json").json}

    assert shown["SAGA_KAFKA__BATCH"] == {
        "name": "SAGA_KAFKA__BATCH",
        "value": "50",
        "default": "500",
        "origin": "environment",
        "description": "Maximum number of records per transaction",
        "secret": False,
    }
    origins = {name: each["origin"] for name, each in shown.items()}
    assert (origins["SAGA_LOG__LEVEL"], origins["SAGA_API__BIND"]) == ("environment", "environment")
    assert (origins["SAGA_LOG__FORMAT"], origins["SAGA_OUTBOX_LIMIT"]) == ("default", "default")
    assert shown["SAGA_API__BIND"]["value"] == "127.0.0.1:9999"


@pytest.mark.parametrize("options", [[], ["--json"], ["--markdown"]])
def test_a_secret_is_masked_wherever_settings_are_shown_i40(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("SAGA_KAFKA__SASL_USERNAME", "kim")
    monkeypatch.setenv("SAGA_KAFKA__SASL_PASSWORD", CANARY)

    said = saga.does("config", *options)

    assert CANARY not in said.out + said.err
    if options == ["--json"]:
        shown = {each["name"]: each for each in said.json}["SAGA_KAFKA__SASL_PASSWORD"]
        assert (shown["value"], shown["secret"], shown["origin"]) == ("**********", True, "environment")


def test_each_wrong_setting_is_named_with_what_it_must_be_and_ends_with_2(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SAGA_KAFKA__BATCH": "many",
        "SAGA_KAFKA__SECURITY_PROTOCOL": "TLS",
        "SAGA_KAFKA__BOOTSTRAP": "b:1",
        "SAGA_STORE": "postgres://x",
        "SAGA_API__BIND": "8080",
        "SAGA_CATALOG": "onboarding",
        "SAGA_LOG__FORMAT": "console",
    }.items():
        monkeypatch.setenv(name, value)

    said = saga("ls")

    assert said.code == 2
    assert sorted(said.err.splitlines()) == [
        "saga: SAGA_API__BIND=8080: must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080",
        "saga: SAGA_CATALOG=onboarding: must be MODULE:NAME, such as subscriptions:catalog",
        "saga: SAGA_KAFKA__BATCH=many: must be a valid integer, unable to parse string as an integer",
        "saga: SAGA_KAFKA__BOOTSTRAP is no setting: did you mean SAGA_KAFKA__BOOTSTRAP_SERVERS?",
        "saga: SAGA_KAFKA__SECURITY_PROTOCOL=TLS: must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'",
        f"saga: SAGA_STORE=postgres://x: must be {STORES}",
    ]


def test_inconsistent_settings_are_reported_by_their_group_without_their_values(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("SAGA_KAFKA__SASL_PASSWORD", CANARY)

    said = saga("ls")

    assert said.code == 2
    assert said.err == ("saga: SAGA_KAFKA__*: SASL_SSL needs sasl_username, and sasl_password or sasl_password_file\n")


@pytest.mark.parametrize(("scheme", "wrong"), [("postgres", "must be"), ("postgresql", "holds a password")])
def test_an_address_is_shown_without_the_password_in_it_i40(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, scheme: str, wrong: str
) -> None:
    monkeypatch.setenv("SAGA_STORE", f"{scheme}://kim:{CANARY}@db/saga")

    said = saga("config")

    assert f"SAGA_STORE={scheme}://***@db/saga: {wrong}" in said.err
    assert CANARY not in said.err


def test_a_group_that_is_no_json_is_named_without_its_value(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_KAFKA", f"batch={CANARY}")

    said = saga("config")

    assert said.code == 2
    assert said.err == "saga: SAGA_KAFKA: must be a JSON object; or set its fields one by one, SAGA_KAFKA__FIELD\n"


def test_the_markdown_table_is_what_the_function_makes(saga: Saga) -> None:
    table = saga.does("config", "--markdown").out

    assert table == settings_table()
    assert "| `SAGA_KAFKA__GROUP` | `saga-coordinator` | Consumer group;" in table
    assert "| `SAGA_KAFKA__SASL_USERNAME` |  | User, with a SASL protocol |" in table


def test_the_page_holds_the_table_of_all_settings() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert BEGIN in page, f"docs/settings.md: put the output of `saga config --markdown` between {BEGIN} and {END}"
    between = page.split(BEGIN, 1)[1].split(END, 1)[0]
    assert between.strip() == settings_table().strip(), "docs/settings.md is behind: run `saga config --markdown`"
