"""A small OTLP collector: over HTTP with the published protobuf types, and over gRPC with the published service."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.serving import wait_until


@dataclass
class Span:
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    status: int
    start: int
    end: int
    attributes: dict[str, Any]
    resource: Mapping[str, Any]
    schema: str


@dataclass
class Received:
    """What the collector received, and with which headers."""

    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, list[Any]] = field(default_factory=dict)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def take_traces(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        name=span.name,
                        kind={2: "server", 3: "client"}[span.kind],
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        status=span.status.code,
                        start=span.start_time_unix_nano,
                        end=span.end_time_unix_nano,
                        attributes=attributes(span.attributes),
                        resource=attributes(resource.resource.attributes),
                        schema=scope.schema_url,
                    )
                    for span in scope.spans
                ]

    def take_metrics(self, request: ExportMetricsServiceRequest) -> None:
        """Stores the latest value of each metric, because they are cumulative."""
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = metric.sum.data_points or metric.histogram.data_points
                    self.metrics[metric.name] = [(attributes(point.attributes), point) for point in points]

    def server(self) -> list[Span]:
        return [span for span in self.spans if span.kind == "server"]

    def client(self) -> list[Span]:
        return [span for span in self.spans if span.kind == "client"]

    def wait(self, servers: int = 1) -> Self:
        wait_until(lambda: len(self.server()) >= servers)
        return self


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)


class HttpCollector(Received):
    """Answers with ``status``; while ``hold`` is set, does not answer."""

    def __init__(self, status: int = 200) -> None:
        super().__init__()
        self.status = status
        self.hold = threading.Event()
        self.asked = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.set()
                while collector.hold.is_set():
                    collector.hold.wait(0.01)
                    if not collector.hold.is_set() or collector.gone.wait(0.01):
                        break
                collector.paths.append(self.path)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                if collector.status == 200:
                    collector.take(self.path, body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.gone = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, name="collector", kwargs={"poll_interval": 0.01}
        )
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def take(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/traces"):
            self.take_traces(ExportTraceServiceRequest.FromString(body))
        else:
            self.take_metrics(ExportMetricsServiceRequest.FromString(body))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gone.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(60)


def grpc_collector() -> Iterator[tuple[Received, str]]:
    """Yields what the collector receives, and its URL."""
    import grpc  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces

    received = Received()

    class Traces(traces.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            received.headers.append(dict(context.invocation_metadata()))
            received.take_traces(request)
            return ExportTraceServiceResponse()

    class Metrics(metrics.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            received.take_metrics(request)
            return ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    traces.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call]
    metrics.add_MetricsServiceServicer_to_server(Metrics(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield received, f"http://127.0.0.1:{port}"
    server.stop(0).wait(60)
