"""All settings, read once: from the environment, `SAGA_*` with `__` between a group and its field, and from a file."""

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal

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
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from saga_coordinator.handlers.names import DEFAULT_NAMES, Names
from saga_coordinator.handlers.routing import UnwantedPolicy
from saga_coordinator.service.addresses import (
    NO_TLS,
    POSTGRES,
    UNIX,
    Address,
    is_loopback,
    parse_address,
    parse_postgres,
)
from saga_coordinator.service.key_files import (
    check_certificates,
    check_key_pair,
    check_password,
    check_readable,
    read_password,
)

FILE: Final = "SAGA_SETTINGS"
"""The variable that names a file with settings."""

StartFrom = Literal["beginning", "end", "none"]

_FROZEN = ConfigDict(frozen=True, extra="forbid")


def _store_url(url: str) -> str:
    if url.startswith(POSTGRES):
        parse_postgres(url)
        return url
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        raise ValueError(
            "must be sqlite:///relative/file.db, sqlite:////absolute/file.db or postgresql://USER@HOST/DATABASE"
        )
    return f"sqlite:///{Path(url.removeprefix('sqlite:///')).absolute()}"


def _place(name: str) -> str:
    if not re.fullmatch(r"[\w.]+:\w+", name):
        raise ValueError("must be MODULE:NAME, such as subscriptions:catalog")
    return name


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError("must be at most 64 letters, digits, dots, hyphens or underscores, as topics have them")
    return name


def _bind(address: str) -> str:
    return str(parse_address(address))


def _local_bind(address: str) -> str:
    if address.startswith(f"{UNIX}/"):
        return address
    if not address.startswith(UNIX) and is_loopback(bind := _bind(address)):
        return bind
    raise ValueError("must be a loopback address, such as 127.0.0.1:8081, or unix:/PATH of a socket")


def _servers(addresses: str) -> str:
    try:
        parsed = [parse_address(address.strip()) for address in addresses.split(",")]
    except ValueError:
        parsed = []
    if not parsed or any("/" in host or not port for host, port in parsed):
        raise ValueError("must be HOST:PORT with commas between them, such as kafka-1:9092,kafka-2:9092,[::1]:9092")
    return ",".join(map(str, parsed))


ReadableFile = Annotated[Path, AfterValidator(check_readable)]
PasswordFile = Annotated[ReadableFile, AfterValidator(check_password)]
CertificateFile = Annotated[ReadableFile, AfterValidator(check_certificates)]


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
    sasl_password_file: PasswordFile | None = Field(None, description="File that contains the password")
    ssl_cafile: CertificateFile | None = Field(
        None, description="Certificate authorities, PEM; by default the system's"
    )
    ssl_certfile: CertificateFile | None = Field(None, description="Client certificate, PEM, if brokers require one")
    ssl_keyfile: ReadableFile | None = Field(None, description="Key of the client certificate, PEM")
    request_timeout: float = Field(10.0, gt=0, le=3600, description="Seconds until a request to Kafka counts as lost")
    session_timeout: float = Field(
        45.0, ge=1, le=3600, description="Seconds without a heartbeat until the group removes it"
    )
    fetch_wait: float = Field(0.2, gt=0, le=5, description="Seconds that the broker may hold an empty fetch")
    start_from: StartFrom = Field(
        "none", description="Where to begin a topic that has records at the first start; none: not before it is said"
    )
    rack: str | None = Field(None, description="Rack or zone of this client: records come from its nearest replica")
    batch: int = Field(500, ge=1, le=10_000, description="Maximum number of records per transaction")

    @field_validator(
        "sasl_mechanism", "sasl_username", "sasl_password", "sasl_password_file",
        "ssl_cafile", "ssl_certfile", "ssl_keyfile",
    )  # fmt: skip
    @classmethod
    def _used_by_protocol(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a setting that the security protocol does not use: its name begins with the part that does."""
        security = str(info.field_name).partition("_")[0].upper()
        protocol = info.data.get("security_protocol", security)
        if security not in protocol:
            others = "SASL_PLAINTEXT or SASL_SSL" if security == "SASL" else "SSL or SASL_SSL"
            name = "SAGA_KAFKA__SECURITY_PROTOCOL"
            raise ValueError(f"is not used with {name}={protocol}: set that to {others}, or unset this")
        return value

    @model_validator(mode="after")
    def _complete(self) -> "KafkaSettings":
        has_password = self.sasl_password is not None or self.sasl_password_file is not None
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and has_password):
            raise ValueError(f"{self.security_protocol} needs sasl_username, and sasl_password or sasl_password_file")
        if self.sasl_password is not None and self.sasl_password_file is not None:
            raise ValueError("sasl_password and sasl_password_file are both set: remove one of them")
        if problem := _key_problem(("ssl_certfile", "ssl_keyfile"), self.ssl_certfile, self.ssl_keyfile):
            raise ValueError(problem)
        return self

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The brokers to connect to first."""
        return tuple(map(parse_address, self.bootstrap_servers.split(",")))

    @property
    def has_files(self) -> bool:
        """Whether credentials are in files, which may change while the service runs."""
        return any((self.sasl_password_file, self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile))

    def password(self) -> str | None:
        """Return the password. It is read from its file again at each call, as it may have changed."""
        return _password(self.sasl_password, self.sasl_password_file)


def _password(password: SecretStr | None, file: Path | None) -> str | None:
    if file is not None:
        return read_password(file)
    return password.get_secret_value() if password else None


def _key_problem(names: tuple[str, str], certificate: Path | None, key: Path | None) -> str | None:
    """Return what is wrong with a client certificate and its key, whose settings have these names; None: nothing."""
    cert_name, key_name = names
    if certificate is None:
        return None if key is None else f"{key_name} needs {cert_name}, the certificate of that key"
    problem = check_key_pair(certificate, key)
    name, path = (key_name, key) if key else (cert_name, certificate)
    return problem and f"{name}={path} {problem}: it must be the key of {cert_name}={certificate}"


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


def _settings_file() -> Path | None:
    """Return the file with settings; None if there is none, which the field reports."""
    file = os.environ.get(FILE)
    try:
        return Path(file) if file and Path(file).is_file() else None
    except OSError:
        return None


class Settings(BaseSettings):
    """Everything that can be set. Frozen: configuration is read once, at the start."""

    model_config = SettingsConfigDict(
        env_prefix="SAGA_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
    )

    settings: ReadableFile | None = Field(None, description="TOML file with settings; a variable overrides it")
    name: Annotated[str, AfterValidator(_name)] = Field(
        "saga",
        description="Name of this coordinator: its reply and outcome topics, sources and group begin with it",
    )
    kafka: KafkaSettings = KafkaSettings()
    store: Annotated[str, AfterValidator(_store_url)] = Field(
        "sqlite:///saga.db",
        validate_default=True,
        description="Database: sqlite:/// and a relative path, sqlite://// and an absolute one, or postgresql://USER@HOST/DATABASE",
    )
    store_password: SecretStr | None = Field(None, description="Password of the user of a PostgreSQL database")
    store_password_file: PasswordFile | None = Field(None, description="File that contains that password")
    store_ssl_cafile: CertificateFile | None = Field(
        None, description="Certificate authorities of the PostgreSQL server, PEM; by default the system's"
    )
    store_ssl_certfile: CertificateFile | None = Field(
        None, description="Client certificate, PEM, if the PostgreSQL server requires one"
    )
    store_ssl_keyfile: ReadableFile | None = Field(None, description="Key of that client certificate, PEM")
    api: ApiSettings = ApiSettings()
    log: LogSettings = LogSettings()
    catalog: Annotated[str, AfterValidator(_place)] = Field(
        "saga_coordinator.sagas.catalog:catalog",
        description="Sagas to run: MODULE:NAME of a tuple of them",
    )
    unknown_types: UnwantedPolicy = Field(
        UnwantedPolicy.IGNORE,
        description="Whether records of a type that no saga wants, and tombstones, are ignored, or `dead-letter`",
    )
    accept_definition: str | None = Field(
        None, description="Definitions that may differ from what live instances started by, as the refusal names them"
    )
    outbox_limit: int = Field(
        10_000, ge=1, le=10_000_000, description="Number of unpublished messages at which the intake stops"
    )
    outbox_bytes: int = Field(
        256_000_000, ge=1_000_000, le=2**40, description="Bytes of unpublished messages at which the intake stops"
    )
    shutdown_timeout: float = Field(
        18.0, gt=0, le=20, description="Seconds to finish after SIGTERM; closing takes up to 10 more"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the hook's form
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the hook's form
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, and then the file that it names."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _settings_file())

    @field_validator(
        "store_password", "store_password_file", "store_ssl_cafile", "store_ssl_certfile", "store_ssl_keyfile"
    )
    @classmethod
    def _used_by_store(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a setting that the database does not use."""
        store = info.data.get("store")
        if value is None or store is None:
            return value
        if not store.startswith(POSTGRES):
            raise ValueError(f"is not used with SAGA_STORE={store}, which is a file: unset this")
        if "ssl" in str(info.field_name) and parse_postgres(store).tls == NO_TLS:
            raise ValueError(f"is not used with SAGA_STORE={store}: add ?sslmode=verify-full to that, or unset this")
        return value

    @field_validator("store_password_file")
    @classmethod
    def _only_password(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("store_password") is not None:
            raise ValueError("SAGA_STORE_PASSWORD is set too: unset one of them")
        return file

    @field_validator("store_ssl_keyfile")
    @classmethod
    def _key_of_certificate(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        names = ("SAGA_STORE_SSL_CERTFILE", "SAGA_STORE_SSL_KEYFILE")
        if problem := _key_problem(names, info.data.get("store_ssl_certfile"), key):
            raise ValueError(problem)
        return key

    def read_store_password(self) -> str | None:
        """Return the password of the database. It is read from its file again at each call, as it may have changed."""
        return _password(self.store_password, self.store_password_file)

    @field_validator("kafka")
    @classmethod
    def _named(cls, kafka: KafkaSettings, info: ValidationInfo) -> KafkaSettings:
        """Name the group and the client after the coordinator, unless they are set."""
        client = Names(info.data.get("name", DEFAULT_NAMES.coordinator)).client
        unset = {"group", "client_id"} - kafka.model_fields_set
        return kafka.model_copy(update=dict.fromkeys(unset, client))
