"""The measurements that a call adds to metrics. Pure.

Law: attributes come from the configuration or from the vendor's answer, never from the client; tokens are counted once
per attempt.
"""

from __future__ import annotations

from collections.abc import Iterator

from nexus.accounting.record import AttemptRecord, CallRecord
from nexus.dataclasses import dataclass, field
from nexus.telemetry.otel.names import EACH_TOKEN, FIRST_TOKEN, REQUEST, Conventions, OtelMetric
from nexus.telemetry.otel.spans import Attributes, Value, error_type, known, operation_of, server_of

MOST_MODELS = 200
OTHER = "_OTHER"

UNKNOWN = {"gen_ai.token.modality": "unknown"}
"""Vendors report sums over all modalities."""


@dataclass(slots=True)
class ResponseModels:
    """The model names in vendors' answers, bounded, because a vendor could invent one per answer."""

    known: set[str] = field(default_factory=set)

    def name(self, model: str | None) -> str | None:
        if not model or model in self.known:
            return model or None
        if len(self.known) >= MOST_MODELS or len(model) > 128 or not model.isprintable():
            return OTHER
        self.known.add(model)
        return model


@dataclass(frozen=True, slots=True)
class Measure:
    metric: OtelMetric
    value: float
    attributes: Attributes


def measures_of(record: CallRecord, names: Conventions, models: ResponseModels) -> Iterator[Measure]:
    """The measures of a call; none for a request that did not become a call."""
    if record.operation is None:
        return
    for attempt in record.attempts:
        yield from _of_attempt(record, attempt, names, _shared(record, attempt, names, models))
    yield from _of_call(record, names, models)


def _of_attempt(
    record: CallRecord, attempt: AttemptRecord, names: Conventions, shared: dict[str, Value]
) -> Iterator[Measure]:
    infers = record.operation is not None and record.operation.spends
    seconds = max(0.0, attempt.ended - attempt.began)
    yield Measure(
        names.inference if infers else names.other, seconds, shared | known({"error.type": error_type(attempt.error)})
    )
    usage, first = attempt.usage, attempt.first_content
    if not infers and usage is None:
        return
    for part, counter in names.counters.items():
        # A failed attempt counts as 0, so that its series exists.
        if usage is not None or part in ("total_input", "total_output"):
            yield Measure(counter, getattr(usage, part) if usage is not None else 0, {**shared, **UNKNOWN})
    for part, histogram in names.histograms.items() if usage is not None else ():
        yield Measure(histogram, getattr(usage, part), shared)
    if names.by_type is not None and usage is not None:
        yield Measure(names.by_type, usage.total_input, {**shared, "gen_ai.token.type": "input"})
        yield Measure(names.by_type, usage.total_output, {**shared, "gen_ai.token.type": "output"})
    if record.stream and first is not None:
        if names.first_chunk is not None:
            yield Measure(names.first_chunk, max(0.0, first - attempt.began), shared)
        if names.each_chunk is not None and attempt.events > 1:
            yield Measure(names.each_chunk, max(0.0, attempt.ended - first) / (attempt.events - 1), shared)


def _of_call(record: CallRecord, names: Conventions, models: ResponseModels) -> Iterator[Measure]:
    """What the caller saw of the call, as from one model server."""
    answer, failed = record.answer, error_type(record.error)
    shared = _shared(record, answer, names, models)
    yield Measure(REQUEST, max(0.0, record.total), shared | known({"error.type": failed}))
    if answer is None or failed is not None or record.first is None or not record.stream:
        return
    yield Measure(FIRST_TOKEN, max(0.0, record.first), shared)
    tokens = answer.usage.total_output if answer.usage is not None else 0
    if tokens > 1:
        yield Measure(EACH_TOKEN, max(0.0, record.total - record.first) / (tokens - 1), shared)


def _shared(
    record: CallRecord, attempt: AttemptRecord | None, names: Conventions, models: ResponseModels
) -> dict[str, Value]:
    operation = {"gen_ai.operation.name": operation_of(record)}
    if attempt is None:
        # Rejected by Nexus: no vendor was called.
        return {**operation, names.provider: "nexus"}
    target = {names.provider: attempt.vendor, "gen_ai.request.model": attempt.request_model}
    return {**operation, **target, **known({"gen_ai.response.model": models.name(attempt.model), **server_of(attempt)})}
