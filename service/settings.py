"""All settings, read once from the environment: `SAGA_*`, with `__` between a group and its field."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from saga_coordinator.handlers.names import DEFAULT_NAMES, Names
from saga_coordinator.handlers.routing import UnwantedPolicy
from saga_coordinator.service.addresses import MAX_PORT, UNIX, is_loopback, parse_address

_FROZEN = ConfigDict(frozen=True, extra="forbid")


def _sqlite_url(url: str) -> str:
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        raise ValueError("must be sqlite:///relative/file.db or sqlite:////absolute/file.db")
    return url


def _bind(address: str) -> str:
    return str(parse_address(address))


def _local_bind(address: str) -> str:
    if address.startswith(f"{UNIX}/"):
        return address
    if not address.startswith(UNIX) and is_loopback(bind := _bind(address)):
        return bind
    raise ValueError("must be a loopback address, such as 127.0.0.1:8081, or unix:/PATH of a socket")


def _servers(addresses: str) -> str:
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or "/" in host or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
            raise ValueError("must be HOST:PORT with commas between them, such as kafka-1:9092,kafka-2:9092")
    return addresses


def _file(path: Path) -> Path:
    """Check that a file exists."""
    try:
        is_there = path.is_file()
    except OSError as error:
        raise ValueError(f"cannot be a file: {error.strerror}") from error
    if not is_there:
        raise ValueError("there is no such file")
    return path


ExistingFile = Annotated[Path, AfterValidator(_file)]


class KafkaSettings(BaseModel):
    """How to reach Kafka."""

    model_config = _FROZEN

    bootstrap_servers: Annotated[str, AfterValidator(_servers)] = Field(
        "127.0.0.1:9092", description="Brokers to connect to first, HOST:PORT, comma-separated"
    )
    group: str = Field("saga-coordinator", description="Consumer group; by default SAGA_NAME-coordinator")
    client_id: str = Field(
        "saga-coordinator",
        description="Name of this client in the broker's logs and quotas; by default SAGA_NAME-coordinator",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Encryption and authentication of the connection"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How to authenticate, with a SASL protocol"
    )
    sasl_username: str | None = Field(None, description="User, with a SASL protocol")
    sasl_password: SecretStr | None = Field(None, description="Password, with a SASL protocol")
    sasl_password_file: ExistingFile | None = Field(None, description="File that contains the password")
    ssl_cafile: ExistingFile | None = Field(None, description="Certificate authorities, PEM; the system's by default")
    ssl_certfile: ExistingFile | None = Field(None, description="Client certificate, PEM, if brokers require one")
    ssl_keyfile: ExistingFile | None = Field(None, description="Key of the client certificate, PEM")
    request_timeout: float = Field(10.0, gt=0, description="Seconds until a request to Kafka counts as lost")
    session_timeout: float = Field(45.0, ge=1, description="Seconds without a heartbeat until the group removes it")
    fetch_wait: float = Field(0.2, gt=0, le=5, description="Seconds that the broker may hold an empty fetch")
    batch: int = Field(500, ge=1, le=10_000, description="Maximum number of records per transaction")

    @model_validator(mode="after")
    def _complete(self) -> "KafkaSettings":
        has_password = self.sasl_password is not None or self.sasl_password_file is not None
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and has_password):
            raise ValueError(f"{self.security_protocol} needs sasl_username, and sasl_password or sasl_password_file")
        return self

    def password(self) -> str | None:
        if self.sasl_password_file is not None:
            return self.sasl_password_file.read_text(encoding="utf-8").strip()
        return self.sasl_password.get_secret_value() if self.sasl_password else None


class ApiSettings(BaseModel):
    """The service's own HTTP port."""

    model_config = _FROZEN

    bind: Annotated[str, AfterValidator(_bind)] = Field(
        "127.0.0.1:8080", description="HOST:PORT for health and metrics, and for operator actions if it is loopback"
    )
    admin_bind: Annotated[str, AfterValidator(_local_bind)] | None = Field(
        None, description="Loopback HOST:PORT, or unix:/PATH, on which alone operator actions are accepted"
    )

    @property
    def actions_bind(self) -> str:
        """Where operator actions are accepted."""
        return self.admin_bind or self.bind


class LogSettings(BaseModel):
    """What is logged, to standard error."""

    model_config = _FROZEN

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum severity that is logged")
    format: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for people")


class Settings(BaseSettings):
    """Everything that can be set. Frozen: configuration is read once, at the start."""

    model_config = SettingsConfigDict(
        env_prefix="SAGA_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
    )

    name: str = Field(
        "saga",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Name of this coordinator: its reply and outcome topics, sources and group begin with it",
    )
    kafka: KafkaSettings = KafkaSettings()
    store: Annotated[str, AfterValidator(_sqlite_url)] = Field(
        "sqlite:///saga.db", description="Database; three slashes and a relative, four and an absolute path"
    )
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
    catalog: str = Field(
        "saga_coordinator.sagas.catalog:catalog",
        pattern=r"^[\w.]+:\w+$",
        description="Sagas to run: MODULE:NAME of a tuple of them",
    )
    unknown_types: UnwantedPolicy = Field(
        UnwantedPolicy.IGNORE,
        description="Whether records of a type that no saga wants, and tombstones, are ignored, or `dead-letter`",
    )
    outbox_limit: int = Field(10_000, ge=1, description="Number of unpublished messages at which the intake stops")
    shutdown_timeout: float = Field(
        18.0, gt=0, le=20, description="Seconds to finish after SIGTERM; closing takes up to 10 more"
    )

    @field_validator("kafka")
    @classmethod
    def _named(cls, kafka: KafkaSettings, info: ValidationInfo) -> KafkaSettings:
        """Name the group and the client after the coordinator, unless they are set."""
        client = Names(info.data.get("name", DEFAULT_NAMES.coordinator)).client
        unset = {"group", "client_id"} - kafka.model_fields_set
        return kafka.model_copy(update=dict.fromkeys(unset, client))
