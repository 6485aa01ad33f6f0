"""The access log: one line per call, when it is over.

Law: names and numbers only; no header value, no body, no key.
"""

from __future__ import annotations

import logging
import time

from nexus.call import Call
from nexus.usage import Usage

log = logging.getLogger("nexus.access")


def log_call(call: Call) -> None:
    usage = call.tap.usage or Usage()
    now, times = time.monotonic(), call.times
    first = times.first_byte
    fields = {
        "id": call.id,
        "caller": call.caller,
        "client": call.identity.client_id or "-",
        "group": call.identity.group or "-",
        "key": call.identity.key or "-",
        "session": call.tags.session or "-",
        "agent": call.tags.agent or "-",
        "class": call.tags.request_class or "-",
        "protocol": call.dialect,
        "action": call.action,
        "model": call.model[:200],
        "route": str(call.route) if call.route else "-",
        "stream": call.stream,
        "status": call.status,
        "stop": call.tap.stop_reason or "-",
        "error": call.error.kind if call.error else "-",
        "attempts": call.attempts,
        "first_ms": _milliseconds(first - times.received) if first else "-",
        "total_ms": _milliseconds(now - times.received),
        "own_ms": _milliseconds(first - times.received - times.waited) if first else "-",
        "in": usage.total_input,
        "out": usage.total_output,
        "cached": usage.cache_read,
        "dropped": ",".join(dict.fromkeys(call.dropped)) or "-",
    }
    log.info("call", extra={"fields": fields})


def log_refusal(id: str, caller: str, protocol: str, status: int) -> None:
    """For a request that could not be read as a call."""
    log.info("call", extra={"fields": {"id": id, "caller": caller, "protocol": protocol, "status": status}})


def _milliseconds(seconds: float) -> float:
    return round(max(0.0, seconds) * 1000, 1)
