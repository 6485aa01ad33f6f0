"""``[telemetry]``: export of spans and metrics to an OpenTelemetry collector.

The keys are those of Nexus 0.6 as far as they apply here; ``former`` rejects the others by name.
"""

import importlib.util
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from nexus.headers.names import read_header_name
from nexus.settings.types import Duration, FilePath, Label, Location, Table, needs
from nexus.settings.urls import read_base_url

NO_OTEL = needs("opentelemetry-sdk", "otel")

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")

MOST_ATTRIBUTES = 64


def read_headers(value: object) -> object:
    """Reads a table of names and values, or the list of {name, value} that Nexus 0.6 accepted. Raises ValueError."""
    if not isinstance(value, list):
        return value
    found: dict[object, object] = {}
    for item in value:
        if not isinstance(item, Mapping) or set(item) != {"name", "value"}:
            raise ValueError("must be a table of names and values, or a list of tables with name and value")
        found[item["name"]] = item["value"]
    return found


def check_headers(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Headers with names in lower case. Raises ValueError for an invalid name or value."""
    if not all(_VALUE.fullmatch(secret.get_secret_value()) for secret in value.values()):
        raise ValueError("has a value with characters that are not allowed in an HTTP header")
    return {read_header_name(name): secret for name, secret in value.items()}


def check_attributes(value: dict[str, str]) -> dict[str, str]:
    """Valid resource attributes. Raises ValueError."""
    if len(value) > MOST_ATTRIBUTES:
        raise ValueError(f"has more than {MOST_ATTRIBUTES} attributes")
    if not all(map(_ATTRIBUTE.fullmatch, value)):
        raise ValueError("has an invalid name; write a letter first, and then letters, digits, _, . and -")
    if any(len(text) > 1024 or not text.isprintable() for text in value.values()):
        raise ValueError("has a value with control characters, or of more than 1024 characters")
    return value


Headers = Annotated[dict[str, SecretStr], BeforeValidator(read_headers), AfterValidator(check_headers)]

Wait = Annotated[Duration, Field(ge=0.1, le=60)]
"""Seconds, 0.1 to 60, of work in the background."""


class TlsFiles(Table):
    """TLS certificates for the connection to the collector."""

    ca: FilePath | None = None
    """CA certificates (PEM) to trust. Default: the system's."""

    cert: FilePath | None = None
    """Client certificate (PEM), for collectors that require one."""

    key: FilePath | None = None
    """Private key of ``cert`` (PEM)."""

    def problems(self) -> Iterator[Location]:
        if (self.cert is None) != (self.key is None):
            yield ("cert" if self.cert is None else "key",), "is missing; cert and key belong together"


class GrpcTlsFiles(TlsFiles):
    """TLS settings for gRPC."""

    domain_name: Label | None = None
    """Name in the collector's certificate, if it differs from the host of endpoint."""


class HttpTable(Table):
    """OTLP over HTTP."""

    headers: Headers = Field(default_factory=dict)
    """Headers to send with every export, such as { authorization = "{{ env.OTLP_TOKEN }}" }."""

    tls: TlsFiles = TlsFiles.model_construct()
    """TLS certificates, if endpoint begins with https://."""


class GrpcTable(Table):
    """OTLP over gRPC."""

    headers: Headers = Field(default_factory=dict)
    """Headers to send with every export; no name may begin with grpc-."""

    tls: GrpcTlsFiles = GrpcTlsFiles.model_construct()
    """TLS certificates, if endpoint begins with https://."""

    def problems(self) -> Iterator[Location]:
        if any(name.startswith("grpc-") for name in self.headers):
            yield ("headers",), "has a name that begins with grpc-, which is reserved for gRPC"


class BatchExport(Table):
    """Batching of spans."""

    scheduled_delay: Wait = 5.0
    """Longest time that spans wait for a batch, 0.1s to 60s."""

    max_queue_size: Annotated[int, Field(ge=1, le=100_000)] = 2048
    """Maximum calls that wait for export; further ones are dropped, counted, and logged once."""

    max_export_batch_size: Annotated[int, Field(ge=1, le=10_000)] = 512
    """Maximum calls per export."""


class Otlp(Table):
    """An OTLP collector."""

    enabled: bool = False
    """Export to this collector."""

    endpoint: Annotated[str, AfterValidator(read_base_url)] | None = None
    """URL of the collector. With http, /v1/traces and /v1/metrics are appended. Default: "http://localhost:4317" for
    grpc, "http://localhost:4318" for http."""

    protocol: Literal["grpc", "http"] = "grpc"
    """OTLP transport: "grpc" or "http"."""

    timeout: Wait = 10.0
    """Timeout of one export, 0.1s to 60s."""

    batch_export: BatchExport = BatchExport.model_construct()
    """Batching of spans."""

    grpc: GrpcTable = GrpcTable.model_construct()
    """Settings for protocol = "grpc"."""

    http: HttpTable = HttpTable.model_construct()
    """Settings for protocol = "http"."""

    def problems(self) -> Iterator[Location]:
        other = "http" if self.protocol == "grpc" else "grpc"
        if self.enabled and other in self.model_fields_set:
            yield (other,), f'has no effect with protocol = "{self.protocol}"; write {self.protocol} instead'
        if self.enabled and not has_otel(self.protocol):
            yield ("enabled",), NO_OTEL
        if self.protocol == "grpc" and urlsplit(self.endpoint or "").path.strip("/"):
            yield ("endpoint",), "has a path, which gRPC does not use; write only scheme, host and port"

    @property
    def url(self) -> str:
        return self.endpoint or f"http://localhost:{4317 if self.protocol == 'grpc' else 4318}"


class Exporters(Table):
    """Export destinations."""

    otlp: Otlp = Otlp.model_construct()
    """An OTLP collector."""


class Tracing(Table):
    """Spans: one per call and one per attempt."""

    enabled: bool = True
    """Export spans, if an exporter is enabled."""

    sampling: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of traces to export, 0 to 1, decided by trace id."""

    parent_based_sampler: bool = True
    """Follow the sampling decision in a caller's traceparent."""

    exporters: Exporters | None = None
    """Exporters for spans, in place of telemetry.exporters."""


class Metrics(Table):
    """Metrics: counters and histograms of tokens and durations."""

    enabled: bool = True
    """Export metrics, if an exporter is enabled. Does not affect /metrics."""

    interval: Annotated[Duration, Field(ge=1, le=3600)] = 60.0
    """Time between two exports, 1s to 1h."""

    exporters: Exporters | None = None
    """Exporters for metrics, in place of telemetry.exporters."""


class TelemetrySettings(Table):
    """``[telemetry]``: export to an OpenTelemetry collector."""

    service_name: Label | None = None
    """Service name of this gateway. Default: OTEL_SERVICE_NAME, else "nexus"."""

    resource_attributes: Annotated[dict[str, str], AfterValidator(check_attributes)] = Field(default_factory=dict)
    """Additional resource attributes, such as { "deployment.environment.name" = "production" }."""

    semconv: Literal["0.1", "1.36"] = "0.1"
    """Names of spans and metrics: those of the GenAI conventions v0.1, or those of semconv 1.36 for older
    dashboards."""

    capture_content: bool = False
    """Record prompts and answers in spans, up to 64 KiB each, without files and known secrets."""

    exporters: Exporters = Exporters.model_construct()
    """Export destinations. Unless one is enabled, nothing is exported and no OpenTelemetry package is imported."""

    tracing: Tracing = Tracing.model_construct()
    """Export of spans."""

    metrics: Metrics = Metrics.model_construct()
    """Export of metrics."""

    @property
    def traces_to(self) -> Otlp | None:
        """The collector for spans, or None."""
        return _enabled(self.tracing.enabled, self.tracing.exporters or self.exporters)

    @property
    def metrics_to(self) -> Otlp | None:
        return _enabled(self.metrics.enabled, self.metrics.exporters or self.exporters)


def _enabled(wanted: bool, exporters: Exporters) -> Otlp | None:
    return exporters.otlp if wanted and exporters.otlp.enabled else None


def has_otel(protocol: str) -> bool:
    """Whether the OpenTelemetry SDK and the exporter for ``protocol`` are installed; does not import them."""
    try:
        found = importlib.util.find_spec(f"opentelemetry.exporter.otlp.proto.{protocol}")
        return found is not None and importlib.util.find_spec("opentelemetry.sdk.trace") is not None
    except ModuleNotFoundError:
        return False
