"""The access log: one line per request, when it is over.

Law: names and numbers only; no header value, no body, no key. Every line has every field; None is what there is not.
"""

from __future__ import annotations

import logging
import time

from nexus.call import Call
from nexus.errors import NexusError
from nexus.telemetry.causes import level_of, reason

log = logging.getLogger("nexus.access")

FIELDS = (
    *("id", "status", "error", "why", "caller", "client", "group", "key", "session", "agent", "class"),
    *("method", "path", "read", "protocol", "action", "model", "route", "stream", "stop", "attempts"),
    *("first_ms", "total_ms", "own_ms", "in", "out", "cached", "dropped"),
)
"""In the order in which a line has them."""

LONGEST_NAME = 200


def log_call(call: Call) -> None:
    usage, times = call.tap.usage, call.times
    first = times.first_byte
    _log(
        call.error,
        id=call.id,
        status=call.status,
        caller=call.caller,
        client=call.identity.client_id,
        group=call.identity.group,
        key=call.identity.key,
        session=call.tags.session,
        agent=call.tags.agent,
        **{"class": call.tags.request_class},
        protocol=call.dialect,
        action=call.action,
        model=call.model[:LONGEST_NAME],
        route=str(call.route) if call.route else None,
        stream=call.stream,
        stop=call.tap.stop_reason,
        attempts=call.attempts,
        first_ms=_milliseconds(first - times.received) if first else None,
        total_ms=_milliseconds(time.monotonic() - times.received),
        own_ms=_milliseconds(first - times.received - times.waited) if first else None,
        **{"in": usage.total_input if usage else None},
        out=usage.total_output if usage else None,
        cached=usage.cache_read if usage else None,
        dropped=",".join(dict.fromkeys(call.dropped)),
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


def _milliseconds(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000, 1)
