"""The spans of a call: one server span, and one client span per attempt below it. Pure.

Law: only attempts' spans have usage, so that a sum over spans counts every token once; and span names contain nothing
that a client chose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from nexus.accounting.record import AttemptRecord, CallRecord
from nexus.conversation.usage import NANO
from nexus.dataclasses import dataclass, field
from nexus.errors import Cancelled, ErrorAnswer, NexusError
from nexus.headers.tracing import CallTrace
from nexus.telemetry.otel.names import Conventions

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]

LONGEST = 256
"""Maximum characters of values that a client or a vendor chose."""

OPERATIONS: Mapping[str, str] = {
    "generate": "chat",
    "compact": "chat",
    "embeddings": "embeddings",
    "completions": "text_completion",
    "stored": "fetch_response",
}
"""The conventions' names for our operations; every other operation keeps its name."""

CHOSEN = frozenset(
    {"gen_ai.conversation.id", "gen_ai.response.model", "nexus.agent", "nexus.model.original", "nexus.request.id"}
)
"""Attributes whose text a client or a vendor chose."""


@dataclass(frozen=True, slots=True)
class SpanValues:
    """``parent`` is the id of the parent span, "" if there is none. Times are Unix nanoseconds."""

    name: str
    kind: Literal["server", "client"]
    span_id: str
    parent: str
    start: int
    end: int
    attributes: dict[str, Value] = field(repr=False)
    failed: bool = False


def spans_of(record: CallRecord, trace: CallTrace, names: Conventions) -> list[SpanValues]:
    """The spans of a call, the server's first."""
    server = SpanValues(
        name=f"{trace.method} {trace.route}".strip(),
        kind="server",
        span_id=trace.span_id,
        parent=trace.parent.span_id if trace.parent is not None else "",
        start=_nanoseconds(record.at),
        end=_nanoseconds(record.at + record.total),
        attributes=known(server_attributes(record, trace)),
        failed=record.status is not None and record.status >= 500,
    )
    attempts = [_client(record, attempt, trace, names) for attempt in record.attempts]
    return [server, *attempts]


def _client(record: CallRecord, attempt: AttemptRecord, trace: CallTrace, names: Conventions) -> SpanValues:
    return SpanValues(
        name=f"{operation_of(record)} {attempt.request_model}",
        kind="client",
        span_id=attempt.span_id,
        parent=trace.span_id,
        start=_nanoseconds(record.at + attempt.began),
        end=_nanoseconds(record.at + max(attempt.began, attempt.ended)),
        attributes=known({**client_attributes(record, attempt, names), **trace.attributes}),
        failed=error_type(attempt.error) is not None,
    )


def server_attributes(record: CallRecord, trace: CallTrace) -> dict[str, Value | None]:
    identity, operation = record.identity, record.operation
    return {
        "http.request.method": trace.method,
        "http.route": trace.route,
        "http.response.status_code": record.status,
        "error.type": error_type(record.error),
        "gen_ai.conversation.id": record.tags.session,
        "nexus.call.id": record.id,
        "nexus.request.id": record.request_id,
        "nexus.protocol": record.protocol,
        "nexus.operation": operation.action if operation is not None else None,
        "nexus.model.original": record.model[:LONGEST] or None,
        "nexus.route": record.route,
        "nexus.outcome": str(record.outcome),
        "nexus.refused_by": record.error.kind if record.error is not None and record.outcome == "refused" else None,
        "nexus.tries": len(record.attempts),
        "nexus.caller.group": identity.group if identity is not None else None,
        "nexus.caller.key": identity.key if identity is not None else None,
        "nexus.agent": record.tags.agent,
        "nexus.dropped": record.dropped or None,
        "nexus.own_time": record.own,
    }


def client_attributes(record: CallRecord, attempt: AttemptRecord, names: Conventions) -> dict[str, Value | None]:
    streams = record.stream and names.says_stream
    first, usage = attempt.first_content, attempt.usage
    return {
        "gen_ai.operation.name": operation_of(record),
        names.provider: attempt.vendor,
        "gen_ai.request.model": attempt.request_model,
        "gen_ai.request.stream": True if streams else None,
        "gen_ai.conversation.id": record.tags.session,
        "gen_ai.response.model": attempt.model[:LONGEST] if attempt.model else None,
        "gen_ai.response.finish_reasons": (attempt.stop[:LONGEST],) if attempt.stop else None,
        "gen_ai.response.time_to_first_chunk": first - attempt.began if streams and first is not None else None,
        **({} if usage is None else {name: getattr(usage, part) for name, part in names.usage.items()}),
        **server_of(attempt),
        "http.response.status_code": attempt.status,
        "error.type": error_type(attempt.error),
        "nexus.attempt": attempt.number,
        "nexus.route": attempt.route,
        "nexus.outcome": str(attempt.outcome),
        "nexus.tokens_known": attempt.tokens_known,
        "nexus.cost.usd": attempt.cost / NANO if attempt.cost is not None else None,
    }


def server_of(attempt: AttemptRecord) -> dict[str, Value | None]:
    host, _, port = attempt.server.rpartition(":")
    return {"server.address": host or None, "server.port": int(port) if host and port.isdigit() else None}


def operation_of(record: CallRecord) -> str:
    action = record.operation.action if record.operation is not None else ""
    return OPERATIONS.get(action, action)


def error_type(error: NexusError | None) -> str | None:
    """The vendor's status, or our error kind; None without an error, or if the client disconnected."""
    match error:
        case None | Cancelled():
            return None
        case ErrorAnswer():
            return str(error.status)
        case _:
            return error.kind


def known(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None and value != ""}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANO)
