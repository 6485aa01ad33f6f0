"""``[telemetry]``: what is told to an OpenTelemetry collector, and how it gets there.

The keys are those of Nexus 0.6 where they mean something here; ``former`` refuses the others by name.
"""

import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from nexus.headers.names import read_header_name
from nexus.settings.types import Duration, Label, Location, Table
from nexus.settings.urls import read_base_url

NO_OTEL = 'needs OpenTelemetry: pip install "nexus-llm-router[otel]"'

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")

MOST_ATTRIBUTES = 64


def read_headers(value: object) -> object:
    """A table of names and values, or the list of {name, value} that Nexus 0.6 took too."""
    if not isinstance(value, list):
        return value
    found: dict[object, object] = {}
    for item in value:
        if not isinstance(item, Mapping) or set(item) != {"name", "value"}:
            raise ValueError("must be a table of names and values, or a list of tables with name and value")
        found[item["name"]] = item["value"]
    return found


def check_headers(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Names in lower case, values that can stand in a header."""
    if not all(_VALUE.fullmatch(secret.get_secret_value()) for secret in value.values()):
        raise ValueError("has a value that is not allowed in a header")
    return {read_header_name(name): secret for name, secret in value.items()}


def check_attributes(value: dict[str, str]) -> dict[str, str]:
    """Names and values of resource attributes."""
    if len(value) > MOST_ATTRIBUTES:
        raise ValueError(f"has more than {MOST_ATTRIBUTES} attributes")
    if not all(map(_ATTRIBUTE.fullmatch, value)):
        raise ValueError("has a name with characters other than letters, digits, _, . and -")
    if any(len(text) > 1024 or not text.isprintable() for text in value.values()):
        raise ValueError("has a value that is too long or not printable")
    return value


Headers = Annotated[dict[str, SecretStr], BeforeValidator(read_headers), AfterValidator(check_headers)]

Wait = Annotated[Duration, Field(ge=0.1, le=60)]
"""Seconds that nothing has to wait for."""


class TlsFiles(Table):
    """How the collector is known, and we to it."""

    ca: Path | None = None
    """Certificates that the collector's is checked against; the machine's own when left out."""

    cert: Path | None = None
    """Our certificate, where the collector asks for one."""

    key: Path | None = None
    """The key of ``cert``."""

    def problems(self) -> Iterator[Location]:
        if (self.cert is None) != (self.key is None):
            yield ("cert" if self.cert is None else "key",), "is missing: set both cert and key"


class GrpcTlsFiles(TlsFiles):
    """The same, by gRPC."""

    domain_name: Label | None = None
    """The name in the collector's certificate, where it is not that of endpoint."""


class HttpTable(Table):
    """What OTLP over HTTP needs."""

    headers: Headers = Field(default_factory=dict)
    """Sent with every export, such as { authorization = "{{ env.OTLP_TOKEN }}" }."""

    tls: TlsFiles = TlsFiles.model_construct()
    """Certificates, where endpoint begins with https://."""


class GrpcTable(Table):
    """What OTLP over gRPC needs."""

    headers: Headers = Field(default_factory=dict)
    """Sent with every export; no name may begin with grpc-."""

    tls: GrpcTlsFiles = GrpcTlsFiles.model_construct()
    """Certificates, where endpoint begins with https://."""

    def problems(self) -> Iterator[Location]:
        if any(name.startswith("grpc-") for name in self.headers):
            yield ("headers",), "has a name that begins with grpc-, which is reserved for gRPC"


class BatchExport(Table):
    """How spans are gathered before they are sent."""

    scheduled_delay: Wait = 5.0
    """For how long spans wait for others."""

    max_queue_size: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """Calls that may wait to be told; what comes beyond is counted, and named in the log once."""

    max_export_batch_size: Annotated[int, Field(ge=1, le=10_000)] = 512
    """Calls that are told at once."""


class Otlp(Table):
    """An OTLP collector."""

    enabled: bool = False
    """Whether anything is exported there."""

    endpoint: Annotated[str, AfterValidator(read_base_url)] | None = None
    """Where it listens; "http://localhost:4317" for grpc and "http://localhost:4318" for http, to which /v1/traces and
    /v1/metrics are appended, when left out."""

    protocol: Literal["grpc", "http"] = "grpc"
    """How it is spoken to."""

    timeout: Wait = 10.0
    """After which one export is given up."""

    batch_export: BatchExport = BatchExport.model_construct()
    """How spans are gathered."""

    grpc: GrpcTable = GrpcTable.model_construct()
    """For protocol = "grpc"."""

    http: HttpTable = HttpTable.model_construct()
    """For protocol = "http"."""

    def problems(self) -> Iterator[Location]:
        other = "http" if self.protocol == "grpc" else "grpc"
        if self.enabled and other in self.model_fields_set:
            yield (other,), f'is not read with protocol = "{self.protocol}"; write it as {self.protocol}'
        if self.enabled and not has_otel(self.protocol):
            yield ("enabled",), NO_OTEL
        if self.protocol == "grpc" and urlsplit(self.endpoint or "").path.strip("/"):
            yield ("endpoint",), "has a path, which gRPC does not use; write host and port only"

    @property
    def url(self) -> str:
        return self.endpoint or f"http://localhost:{4317 if self.protocol == 'grpc' else 4318}"


class Exporters(Table):
    """Where it is told."""

    otlp: Otlp = Otlp.model_construct()
    """The one kind that there is."""


class Tracing(Table):
    """Spans: one of each call, and one of each attempt."""

    enabled: bool = True
    """Whether spans are exported, where an exporter is."""

    sampling: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that are kept, decided by the trace's id."""

    parent_based_sampler: bool = True
    """Whether a caller that sends a traceparent decides for its own trace."""

    exporters: Exporters | None = None
    """In place of telemetry.exporters, for spans alone."""


class Metrics(Table):
    """Counters and histograms of tokens and times."""

    enabled: bool = True
    """Whether they are exported, where an exporter is; /metrics has nothing to do with it."""

    interval: Annotated[Duration, Field(ge=1, le=3600)] = 60.0
    """Between two exports."""

    exporters: Exporters | None = None
    """In place of telemetry.exporters, for metrics alone."""


class TelemetrySettings(Table):
    """``[telemetry]``."""

    service_name: Label | None = None
    """What this gateway is called; OTEL_SERVICE_NAME, else "nexus", when left out."""

    resource_attributes: Annotated[dict[str, str], AfterValidator(check_attributes)] = Field(default_factory=dict)
    """What else stands with all that is told, such as { "deployment.environment.name" = "production" }."""

    semconv: Literal["0.1", "1.36"] = "0.1"
    """Whose names spans and metrics have: the GenAI conventions v0.1, or those of semconv 1.36, as older dashboards
    want them."""

    capture_content: bool = False
    """Whether spans hold what was asked and answered, without known secrets and files, up to 64 KiB each."""

    exporters: Exporters = Exporters.model_construct()
    """Where it is told; nothing is, and nothing is imported for it, unless one is enabled."""

    tracing: Tracing = Tracing.model_construct()
    """Spans."""

    metrics: Metrics = Metrics.model_construct()
    """Metrics."""

    @property
    def traces_to(self) -> Otlp | None:
        """None where spans are told to nobody."""
        return _enabled(self.tracing.enabled, self.tracing.exporters or self.exporters)

    @property
    def metrics_to(self) -> Otlp | None:
        """None where metrics are told to nobody."""
        return _enabled(self.metrics.enabled, self.metrics.exporters or self.exporters)


def _enabled(wanted: bool, exporters: Exporters) -> Otlp | None:
    return exporters.otlp if wanted and exporters.otlp.enabled else None


def has_otel(protocol: str) -> bool:
    """Whether what exports is installed; imports none of it."""
    try:
        found = importlib.util.find_spec(f"opentelemetry.exporter.otlp.proto.{protocol}")
        return found is not None and importlib.util.find_spec("opentelemetry.sdk.trace") is not None
    except ModuleNotFoundError:
        return False
