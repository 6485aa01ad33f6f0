"""OpenTelemetry's SDK: resource, exporters, and how values become spans and metrics.

Imported in the process that exports, after the fork. The SDK runs no threads here: callers of ``export_spans`` and
``export_metrics`` wait for the collector.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

# Otherwise gRPC writes to stderr, and interferes with processes forked from this one.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from opentelemetry.metrics import Counter, Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace.propagation import set_span_in_context

from nexus import __version__
from nexus.headers.tracing import CallTrace
from nexus.settings.telemetry import Otlp, TelemetrySettings
from nexus.telemetry.otel.measures import Measure
from nexus.telemetry.otel.names import VERSIONS, metrics_of
from nexus.telemetry.otel.spans import SpanValues

LONGEST_ATTRIBUTE = 128 * 1024
"""Maximum characters of one attribute; only content comes near."""

_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}


class Sdk:
    """One thread at a time. ``spans_to`` and ``metrics_to`` are None if not exported."""

    def __init__(
        self,
        settings: TelemetrySettings,
        instance: str,
        *,
        spans_to: SpanExporter | None = None,
        metrics_to: MetricExporter | None = None,
    ) -> None:
        """``instance`` identifies this process among those of the gateway."""
        names = VERSIONS[settings.semconv]
        resource = _resource(settings, instance)
        self._spans_to, self._metrics_to = spans_to, metrics_to
        self._ids = _GivenIds()
        self._ended = _Ended()
        limits = SpanLimits(max_span_attribute_length=LONGEST_ATTRIBUTE)
        provider = TracerProvider(
            ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids, span_limits=limits
        )
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer("nexus", __version__, schema_url=names.schema_url)
        # The exporter reads the backend's preferred temporality from the environment.
        wanted = getattr(metrics_to, "_preferred_temporality", None)
        self._reader = InMemoryMetricReader(preferred_temporality=wanted)
        meters = MeterProvider([self._reader], resource, shutdown_on_exit=False)
        meter = meters.get_meter("nexus", __version__, schema_url=names.schema_url)
        self._instruments: dict[str, Counter | Histogram] = {
            metric.name: meter.create_counter(metric.name, metric.unit)
            if metric.kind == "sum"
            else meter.create_histogram(metric.name, metric.unit, explicit_bucket_boundaries_advisory=metric.bounds)
            for metric in metrics_of(names)
        }

    def record(self, measures: Iterable[Measure]) -> None:
        for measure in measures:
            match self._instruments[measure.metric.name]:
                case Counter() as counter:
                    counter.add(measure.value, measure.attributes)
                case Histogram() as histogram:
                    histogram.record(measure.value, measure.attributes)

    def export_spans(self, calls: Iterable[tuple[CallTrace, Sequence[SpanValues]]]) -> bool:
        """Exports spans; returns whether the collector accepted them."""
        for trace, spans in calls:
            for values in spans:
                self._write(trace, values)
        ended = self._ended.take()
        if self._spans_to is None or not ended:
            return True
        return self._spans_to.export(ended) is SpanExportResult.SUCCESS

    def export_metrics(self, seconds: float) -> bool:
        """Exports metrics; returns whether the collector accepted them."""
        data = self._reader.get_metrics_data() if self._metrics_to is not None else None
        if self._metrics_to is None or data is None:
            return True
        return self._metrics_to.export(data, timeout_millis=seconds * 1000) is MetricExportResult.SUCCESS

    def shutdown(self) -> None:
        """Aborts exports that wait for the collector. Any thread."""
        for exporter in (self._spans_to, self._metrics_to):
            if exporter is not None:
                exporter.shutdown()

    def _write(self, trace: CallTrace, values: SpanValues) -> None:
        self._ids.trace_id, self._ids.span_id = int(trace.trace_id, 16), int(values.span_id, 16)
        span = self._tracer.start_span(
            values.name,
            context=set_span_in_context(NonRecordingSpan(_parent(trace, values.parent))) if values.parent else None,
            kind=_KINDS[values.kind],
            attributes=values.attributes,
            start_time=values.start,
        )
        if values.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(values.end)


def open_sdk(settings: TelemetrySettings, instance: str) -> Sdk:
    """The SDK with the configured exporters. Raises their exceptions for invalid environment variables."""
    spans_to = _exporter(settings.traces_to, "trace", "Span")
    return Sdk(settings, instance, spans_to=spans_to, metrics_to=_exporter(settings.metrics_to, "metric", "Metric"))


def _resource(settings: TelemetrySettings, instance: str) -> Resource:
    service: dict[str, Any] = {"service.instance.id": instance, "service.version": __version__}
    if settings.service_name is not None:
        service["service.name"] = settings.service_name
    found = Resource.create({**service, **settings.resource_attributes})
    unnamed = str(found.attributes.get("service.name", "")).startswith("unknown_service")
    return found.merge(Resource({"service.name": "nexus"})) if unnamed else found


def _parent(trace: CallTrace, span_id: str) -> SpanContext:
    remote = trace.parent is not None and trace.parent.span_id == span_id
    state = TraceState.from_header([trace.parent.tracestate]) if trace.parent is not None else None
    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(trace.trace_id, 16), int(span_id, 16), remote, flags, state)


def _exporter(otlp: Otlp | None, signal: str, name: str) -> Any:
    """The exporter of a signal ("trace" or "metric") to a collector; imports only that one."""
    if otlp is None:
        return None
    module = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{otlp.protocol}.{signal}_exporter")
    options = _by_grpc(otlp) if otlp.protocol == "grpc" else _by_http(otlp, f"v1/{signal}s")
    return getattr(module, f"OTLP{name}Exporter")(**options)


def _by_http(otlp: Otlp, path: str) -> dict[str, Any]:
    session = requests.Session()
    # No proxy or .netrc from the environment, and no redirect that would carry the headers elsewhere.
    session.trust_env, session.max_redirects = False, 0
    tls = otlp.http.tls
    return {
        "endpoint": f"{otlp.endpoint.removesuffix(f'/{path}')}/{path}" if otlp.endpoint is not None else None,
        "certificate_file": _path(tls.ca),
        "client_key_file": _path(tls.key),
        "client_certificate_file": _path(tls.cert),
        "headers": {name: value.get_secret_value() for name, value in otlp.http.headers.items()} or None,
        "timeout": otlp.timeout,
        "session": session,
    }


def _by_grpc(otlp: Otlp) -> dict[str, Any]:
    import grpc  # type: ignore[import-untyped]

    tls = otlp.grpc.tls
    options = [("grpc.enable_http_proxy", 0)]
    if tls.domain_name is not None:
        options.append(("grpc.ssl_target_name_override", tls.domain_name))  # type: ignore[arg-type]
    secure = otlp.endpoint is not None and urlsplit(otlp.endpoint).scheme == "https"
    files = [file.read_bytes() if file is not None else None for file in (tls.ca, tls.key, tls.cert)]
    return {
        "endpoint": otlp.endpoint,
        "insecure": None if otlp.endpoint is None else not secure,
        "credentials": grpc.ssl_channel_credentials(*files) if secure else None,
        "headers": tuple((name, value.get_secret_value()) for name, value in otlp.grpc.headers.items()) or None,
        "timeout": otlp.timeout,
        "channel_options": tuple(options),
    }


def _path(file: object) -> str | None:
    return str(file) if file is not None else None


class _GivenIds(IdGenerator):
    """Returns the ids that were sent to vendors long before the span is written."""

    trace_id = span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _Ended(SpanProcessor):
    """Keeps ended spans until they are taken."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        taken, self._spans = self._spans, []
        return taken
