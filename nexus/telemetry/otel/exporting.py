"""Exports calls to a collector, from its own thread.

Law: ``begin`` and ``consume`` run on the loop and take microseconds; whatever the collector does, no call waits for it,
and ``close`` waits no longer than its limit. What cannot be exported is counted, and logged once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from nexus.accounting.record import CallRecord
from nexus.headers.tracing import CallTrace, Content, TraceContext, new_span_id, new_trace_id
from nexus.settings.telemetry import TelemetrySettings
from nexus.telemetry import logs
from nexus.telemetry.otel.content import ROOM, content_attributes, request_attributes
from nexus.telemetry.otel.measures import ResponseModels, measures_of
from nexus.telemetry.otel.names import VERSIONS
from nexus.telemetry.otel.sdk import Sdk
from nexus.telemetry.otel.spans import CHOSEN, SpanValues, spans_of
from nexus.wire import Json

log = logging.getLogger("nexus.telemetry")

LAST_SECONDS = 3.0
"""Seconds to export what is left when the process ends."""

LOST = "the OpenTelemetry collector is unavailable; what cannot be exported is dropped"
RECOVERED = "the OpenTelemetry collector is available again"

NOT_EXPORTED = "calls that were not exported to the OpenTelemetry collector"

LONGEST_CAUSE = 300
"""Maximum characters of the cause of a failure in the log."""

_RATIO = 2**64


class LastError(logging.Handler):
    """Keeps the SDK's last warning or error, which says why an export failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class Exporting:
    """``lost`` counts the calls that were not exported."""

    def __init__(
        self, settings: TelemetrySettings, sdk: Sdk, last_error: LastError, cut: Callable[[str], str] = logs.redacted
    ) -> None:
        """``cut`` removes secrets from content."""
        self._settings = settings
        self._sdk = sdk
        self._last_error = last_error
        self._cut = cut
        self._names = VERSIONS[settings.semconv]
        self._batch = (settings.traces_to or settings.exporters.otlp).batch_export
        self._traces = settings.traces_to is not None
        self._metrics = settings.metrics_to
        self._models = ResponseModels()
        self._queue: deque[CallRecord] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._failing = False
        self._over = False
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="opentelemetry", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def begin(self, context: TraceContext | None, method: str, route: str) -> CallTrace | None:
        """The trace of a new call; None if no spans are exported."""
        if not self._traces:
            return None
        trace_id = context.trace_id if context is not None else new_trace_id()
        return CallTrace(trace_id, new_span_id(), context, self._samples(context, trace_id), method, route)

    def note_request(self, trace: CallTrace, document: Mapping[str, Json], body: bytes) -> None:
        """Keeps what the span reports of a request."""
        if not trace.sampled:
            return
        trace.attributes = request_attributes(document)
        if self._settings.capture_content:
            trace.content = Content(ROOM)
            trace.content.keep_request(body)

    def _samples(self, context: TraceContext | None, trace_id: str) -> bool:
        tracing = self._settings.tracing
        if context is not None and tracing.parent_based_sampler:
            return context.sampled
        return int(trace_id[16:], 16) < round(tracing.sampling * _RATIO)

    def consume(self, record: CallRecord) -> None:
        """Queues a call for export if there is room."""
        if self._closing or len(self._queue) >= self._batch.max_queue_size:
            self._lose(1)
            return
        self._queue.append(record)
        if len(self._queue) >= self._batch.max_export_batch_size:
            self._wake.set()

    def close(self, seconds: float = LAST_SECONDS) -> None:
        """Exports what is left, for at most ``seconds``. Blocks."""
        deadline = time.monotonic() + seconds
        self._closing = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        left = len(self._queue)
        # Wakes a thread that waits to retry.
        ender = threading.Thread(target=self._sdk.shutdown, name="opentelemetry-end", daemon=True)
        ender.start()
        ender.join(max(0.1, deadline - time.monotonic()))
        if self.lost + left:
            log.warning(NOT_EXPORTED, extra={"fields": {"calls": self.lost + left}})
        self._over = True

    def _run(self) -> None:
        due = time.monotonic() + self._settings.metrics.interval
        while not self._closing:
            self._wake.wait(max(0.0, min(self._batch.scheduled_delay, due - time.monotonic())))
            self._wake.clear()
            self._export_calls()
            if time.monotonic() >= due:
                self._export_metrics()
                due = time.monotonic() + self._settings.metrics.interval
        self._export_calls()
        self._export_metrics()

    def _export_calls(self) -> None:
        while self._queue:
            count = min(len(self._queue), self._batch.max_export_batch_size)
            records = [self._queue.popleft() for _ in range(count)]
            try:
                if self._metrics is not None:
                    for record in records:
                        self._sdk.record(measures_of(record, self._names, self._models))
                delivered = not self._traces or self._sdk.export_spans(self._spans(records))
            except Exception:
                log.exception("calls could not be exported to the OpenTelemetry collector")
                delivered = False
            self._note_export(delivered, count)

    def _spans(self, records: list[CallRecord]) -> Iterator[tuple[CallTrace, list[SpanValues]]]:
        for record in records:
            trace = record.trace
            if trace is None or not trace.sampled:
                continue
            spans = spans_of(record, trace, self._names)
            for span in spans:
                for name in CHOSEN & span.attributes.keys():
                    # A client or vendor may have put a key here.
                    span.attributes[name] = self._cut(str(span.attributes[name]))
            if trace.content is not None:
                held = content_attributes(record.protocol, trace.content, self._cut)
                # Content goes on the last attempt's span, or without attempts on the call's.
                spans[-1].attributes.update(held)
            yield trace, spans

    def _export_metrics(self) -> None:
        if self._metrics is None:
            return
        try:
            self._note_export(self._sdk.export_metrics(self._metrics.timeout), 0)
        except Exception:
            log.exception("metrics could not be exported to the OpenTelemetry collector")

    def _note_export(self, delivered: bool, calls: int) -> None:
        if self._over:
            # The process is ending, and the losses were already logged.
            return
        if delivered:
            self._last_error.text = ""
        if delivered and self._failing:
            log.info(RECOVERED, extra={"fields": {"calls_lost": self.lost}})
        self._failing = self._failing and not delivered
        if not delivered:
            self._lose(calls)

    def _lose(self, calls: int) -> None:
        self.lost += calls
        if not self._failing:
            self._failing = True
            why = self._cut(self._last_error.text or "the queue is full")[:LONGEST_CAUSE]
            log.warning(LOST, extra={"fields": {"why": why}})
