"""Settings: everything an operator can set, frozen. `configuration.py` reads them from outside.

`docs/settings.md` lists them all; a test compares it with this module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode
from strawberry.http.websocket_origin import normalize_origin

from db.urls import with_driver
from foretell.oidc import OidcSettings
from foretell.tiers import TierSettings
from foretell.urls import allowed_redis_url, allowed_storage_url, masked

SECRET_LENGTH = 32


def _cores() -> int:
    """Counts the cores this process may use, which in a container are fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _database_url(value: object) -> object:
    return with_driver(value) if isinstance(value, str) else value


def _origin(value: str) -> str:
    origin = normalize_origin(value) if re.fullmatch(r"https?://[^/\s@?#]+", value) else None
    if origin is None:
        raise ValueError("must be https://host, or a list of such")
    return origin


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s][^\s?#]*", value):
        raise ValueError("must be http://host:4318, or https")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SECRET_LENGTH:
        raise ValueError(f"must have at least {SECRET_LENGTH} characters")
    return value


def _split(value: object) -> object:
    """Splits what a variable holds, `a, b`; a TOML file has an array."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _model_server(value: str) -> str:
    url, separator, name = value.partition("=")
    named = not separator or re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)
    if not named or not re.fullmatch(r"https?://[^/\s@?#%]+(/[^\s?#%]*)?", url):
        raise ValueError(
            "must be https://host/path or https://host/path=NAME_OF_A_VARIABLE, or a list of such"
        )
    return value


LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lowered)]
LogFormat = Annotated[Literal["console", "json"], BeforeValidator(_lowered)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)]
ModelServers = Annotated[
    tuple[Annotated[str, AfterValidator(_model_server)], ...], NoDecode, BeforeValidator(_split)
]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]


class DocumentSettings(BaseModel):
    """What a GraphQL document may cost before it is refused, unexecuted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=64 * 1024, ge=1, description="Bytes of a document.")
    max_tokens: int = Field(default=2000, ge=1, description="Tokens of a document.")
    max_depth: int = Field(default=12, ge=1, description="Depth of a document, introspection aside.")
    max_fields: int = Field(default=500, ge=1, description="Fields of a document, fragments spread out.")
    max_aliases: int = Field(default=30, ge=0, description="Aliases in a document, fragments spread out.")
    max_cost: int = Field(default=1000, ge=1, description="Cost, by `@cost` and `@listSize`.")
    max_page: int = Field(default=100, ge=1, le=1000, description="Rows of one page: `first` or `last`.")
    manifests: Paths = Field(
        default=(),
        description="Manifests of registered documents, Relay's, Apollo's or codegen's, parted by commas.",
    )
    trusted_only: bool = Field(default=False, description="Runs the documents of `manifests` and no others.")


class ConnectionSettings(BaseModel):
    """How many sockets and event streams a process holds open, and what one socket may ask at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_address: int = Field(
        default=100, ge=1, description="Sockets and event streams that an address has open in a process."
    )
    per_key: int = Field(
        default=100, ge=1, description="Sockets and event streams that a key has open in a process."
    )
    operations: int = Field(
        default=100, ge=1, description="Operations that run at once on a socket, subscriptions too."
    )


class MetricsSettings(BaseModel):
    """Where Prometheus reads the metrics of a process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", min_length=1, description="Address of the port for operators.")
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="A port with `/metrics`, `/health` and `/ready`; each of `--workers` takes the next.",
    )
    token: SecretStr | None = Field(
        default=None, description="What `/metrics` asks for, as a Bearer token; without it, nothing."
    )


class TracesSettings(BaseModel):
    """Where traces go, and how many of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: Annotated[str, AfterValidator(_http_url)] | None = Field(
        default=None,
        description="A collector that takes OTLP over HTTP: `http://host:4318`; needs the extra `otel`.",
    )
    sample: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="The part of traces that is recorded; those that a caller began are as the caller says.",
    )


class Settings(BaseModel):
    """Everything an operator can set."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    database_url: Annotated[str, BeforeValidator(_database_url)] = Field(
        default="sqlite+aiosqlite:///foretell.db",
        description="`sqlite:///file` or `postgresql://user:password@host:5432/database`.",
    )
    database_synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL",
        description="SQLite only: `FULL` keeps every answer through a power cut, `NORMAL` may lose the last.",
    )
    redis_url: Annotated[str | None, BeforeValidator(allowed_redis_url)] = Field(
        default=None,
        description="`redis://host:6379/0`: what several processes share; without it, one process.",
    )
    storage_url: Annotated[str | None, BeforeValidator(allowed_storage_url)] = Field(
        default=None,
        description="`s3://bucket/prefix` or `file:///directory` for files; without it, the data directory.",
    )
    data_directory: Path = Field(default=Path("foretell-data"), description="Where files are kept.")
    secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        default=None,
        description="At least 32 characters; signs links and users' tokens. No default.",
    )
    access_token_seconds: int = Field(
        default=900, ge=60, le=3600, description="How long a user's access token is good."
    )
    session_days: int = Field(
        default=30, ge=1, le=365, description="Days after a login until the user has to log in again."
    )
    oidc: OidcSettings = Field(default=OidcSettings(), description="Whose tokens are taken beside our own.")
    models_file: Path | None = Field(default=None, description="A TOML file of models, applied at start.")
    embedded_models: bool = Field(default=True, description="Registers the models that come with Foretell.")
    model_servers: ModelServers = Field(
        default=(),
        description=(
            "Where versions registered by GraphQL may send inputs: `https://host/v1`, with `=NAME` of the "
            "variable whose key goes there, parted by commas."
        ),
    )
    health_check_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="How often model servers are asked whether they are well."
    )
    max_model_bytes: int = Field(
        default=256 * 1024**2,
        ge=1024,
        le=1024**3,
        description="Bytes of a model file that a project uploads.",
    )
    model_check_seconds: int = Field(
        default=60, ge=1, le=3600, description="Seconds of a core that the check of such a file may take."
    )
    model_check_memory: int = Field(
        default=4 * 1024**3,
        ge=512 * 1024**2,
        description="Bytes of address space that the check of such a file may take.",
    )
    project_max_versions: int = Field(
        default=50, ge=0, le=10_000, description="Versions of its own that a project has in service at most."
    )
    inference_threads: int = Field(
        default_factory=_cores,
        ge=1,
        le=1024,
        description="Threads that run ONNX models; by default one for each core.",
    )
    lease_seconds: float = Field(
        default=15.0,
        ge=1,
        le=3600,
        description="After this long without a sign of life, another process takes up a process's work.",
    )
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Purges inputs, outputs and explanations this many days after a prediction has ended.",
    )
    worker_slots: int = Field(
        default=4,
        ge=0,
        le=1024,
        description="Chunks of jobs that this process runs at once; 0: others run them.",
    )
    batch_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How much of a version's calls at once jobs may take; at least one call.",
    )
    shadow_concurrency: int = Field(
        default=8,
        ge=0,
        le=1000,
        description="Copies for shadow targets that run at once in this process; more are left out.",
    )
    circuit_failures: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="A version that fails this often in a row is left alone for a while.",
    )
    circuit_error_rate: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="So is one that fails this part of at least 20 calls within 30 seconds.",
    )
    circuit_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="For how long, before one call tries it; doubled, up to 60, by each try that fails.",
    )
    public_url: Annotated[str, AfterValidator(_origin)] | None = Field(
        default=None,
        description="Where clients reach the server, for links: `https://host`; by default host and port.",
    )
    log_level: LogLevel = Field(default="info", description="`debug`, `info`, `warning` or `error`.")
    log_format: LogFormat = Field(default="console", description="`console` or `json`.")
    metrics: MetricsSettings = Field(
        default=MetricsSettings(), description="Where Prometheus reads the metrics of a process."
    )
    traces: TracesSettings = Field(
        default=TracesSettings(), description="Where traces go, and how many of them."
    )
    graphiql: bool = Field(default=True, description="Serves GraphiQL at `/graphql`.")
    console: bool = Field(default=True, description="Serves the console at `/`.")
    introspection: bool = Field(default=True, description="Answers introspection; suggests names.")
    document: DocumentSettings = Field(
        default=DocumentSettings(), description="What a GraphQL document may cost before it is refused."
    )
    connection: ConnectionSettings = Field(
        default=ConnectionSettings(), description="How many sockets and streams a process holds open."
    )
    compiled_executor: bool = Field(
        default=True, description="Runs operations as compiled plans; off, graphql-core runs them, slower."
    )
    tiers: Mapping[str, TierSettings] = Field(
        default={},
        description="Tiers beside `free`, `paid` and `internal`, or instead of them: [Limits](limits.md).",
    )
    limits_on_redis_failure: Annotated[Literal["open", "closed"], BeforeValidator(_lowered)] = Field(
        default="open",
        description="While Redis is away: `open`, each process limits by itself; `closed`, all is refused.",
    )
    budgets_unknown_price: Annotated[Literal["deny", "allow"], BeforeValidator(_lowered)] = Field(
        default="deny",
        description="Where there is a budget: `deny` what has no price, or `allow` it, uncounted.",
    )
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, description="Bytes of a request's body.")
    allowed_origins: Origins = Field(
        default=(),
        description="Origins whose pages may call from a browser: `https://host`, parted by commas.",
    )
    allowed_hosts: Names = Field(
        default=(),
        description="Names that the server answers to, parted by commas; `*.example.org` is all below one.",
    )
    webhook_allowed_hosts: Names = Field(
        default=(),
        description="Hosts that webhooks may go to although they are not public, parted by commas.",
    )
    shutdown_grace_seconds: float = Field(
        default=20.0,
        ge=0,
        le=3600,
        description="How long running work may take to end when the process is told to.",
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Shows URLs without their passwords."""
        for name, value in super().__repr_args__():
            yield name, masked(value) if name and name.endswith("_url") and value else value
