"""The access log: one line per request, when it is over."""

from __future__ import annotations

import logging

from nexus.accounting.causes import level_of, reason
from nexus.accounting.record import CallRecord
from nexus.errors import NexusError

log = logging.getLogger("nexus.access")

FIELDS = (
    *("id", "status", "error", "why", "caller", "client", "group", "key", "session", "agent", "class"),
    *("method", "path", "read", "protocol", "action", "model", "route", "stream", "stop", "attempts"),
    *("first_ms", "total_ms", "own_ms", "in", "out", "cached", "dropped"),
)
"""In the order in which a line has them."""

LONGEST_NAME = 200


def log_call(record: CallRecord) -> None:
    answer = record.answer
    usage = answer.usage if answer is not None else None
    _log(
        record.error,
        id=record.id,
        status=record.status,
        caller=record.caller,
        client=record.identity.client_id,
        group=record.identity.group,
        key=record.identity.key,
        session=record.tags.session,
        agent=record.tags.agent,
        **{"class": record.tags.request_class},
        protocol=record.protocol,
        action=record.operation.action,
        model=record.model[:LONGEST_NAME],
        route=record.route,
        stream=record.stream,
        stop=answer.stop if answer is not None else None,
        attempts=len(record.attempts),
        first_ms=_milliseconds(record.first),
        total_ms=_milliseconds(record.total),
        own_ms=_milliseconds(record.own),
        **{"in": usage.total_input if usage else None},
        out=usage.total_output if usage else None,
        cached=usage.cache_read if usage else None,
        dropped=",".join(record.dropped),
    )


def log_refusal(
    *, id: str, caller: str, protocol: str, method: str, path: str, error: NexusError, read: int, seconds: float
) -> None:
    """For a request that did not become a call; ``read`` counts the bytes of its body, ``seconds`` is its time."""
    _log(
        error,
        id=id,
        caller=caller,
        protocol=protocol,
        method=method[:LONGEST_NAME],
        path=path[:LONGEST_NAME],
        status=error.status,
        read=read,
        total_ms=_milliseconds(seconds),
    )


def _log(error: NexusError | None, **found: object) -> None:
    known = {**found, "error": error.kind if error else None, "why": reason(error) if error else None}
    assert known.keys() <= set(FIELDS)
    # An empty text is nothing, but 0 and False are answers.
    fields = {name: None if known.get(name) == "" else known.get(name) for name in FIELDS}
    log.log(level_of(error), "call", extra={"fields": fields})


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(0.0, seconds) * 1000, 1)
