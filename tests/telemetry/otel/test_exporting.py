"""Exports are redacted first, and spans dropped from a full queue are counted. Uses the SDK's in-memory exporter."""

import time

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nexus.accounting.record import CallRecord
from nexus.errors import AuthenticationFailed
from nexus.headers.tracing import CallTrace, TraceContext
from nexus.settings.telemetry import BatchExport, Exporters, Otlp, TelemetrySettings
from nexus.telemetry.otel.exporting import LOST, NOT_EXPORTED, Exporting, LastError
from nexus.telemetry.otel.sdk import Sdk

CALLER = TraceContext.of(
    {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=b"}
)


def settings(room: int = 8) -> TelemetrySettings:
    otlp = Otlp(enabled=True, batch_export=BatchExport(max_queue_size=room))
    return TelemetrySettings(exporters=Exporters(otlp=otlp))


def exporting(to: InMemorySpanExporter, room: int = 8) -> Exporting:
    said = settings(room)
    return Exporting(said, Sdk(said, "one", spans_to=to), LastError(), cut=lambda text: text.replace("secret", "***"))


def record(trace: CallTrace | None) -> CallRecord:
    error = AuthenticationFailed("no key")
    return CallRecord(
        id="req_1",
        at=time.time() - 0.5,
        caller="127.0.0.1",
        identity=None,
        protocol="chat",
        method="POST",
        path="/llm/openai/v1/chat/completions",
        status=error.status,
        error=error,
        total=0.5,
        read=0,
        request_id="my-secret-id",
        trace=trace,
    )


def test_exported_attributes_are_redacted() -> None:
    memory = InMemorySpanExporter()
    told = exporting(memory)
    trace = told.begin(CALLER, "POST", "/llm/openai/v1/chat/completions")
    told.start()
    told.consume(record(trace))
    told.close()
    (span,) = memory.get_finished_spans()
    assert span.attributes is not None and span.attributes["nexus.request.id"] == "my-***-id"
    assert span.attributes["nexus.refused_by"] == "authentication"
    assert span.context is not None and span.parent is not None and trace is not None and CALLER is not None
    assert f"{span.context.trace_id:032x}" == CALLER.trace_id
    assert (f"{span.context.span_id:016x}", f"{span.parent.span_id:016x}") == (trace.span_id, CALLER.span_id)
    assert span.start_time is not None and span.end_time is not None
    assert span.end_time - span.start_time == pytest.approx(500_000_000, abs=1000)


def test_an_unsampled_call_exports_no_span() -> None:
    memory = InMemorySpanExporter()
    told = exporting(memory)
    told.start()
    told.consume(record(None))
    told.close()
    assert memory.get_finished_spans() == ()


def test_spans_dropped_from_a_full_queue_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The exporter thread is not started here."""
    told = exporting(InMemorySpanExporter(), room=2)
    for _ in range(5):
        told.consume(record(None))
    told.close(0.1)
    assert told.lost == 3
    assert [line.getMessage() for line in caplog.records] == [LOST, NOT_EXPORTED]
