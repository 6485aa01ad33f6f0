"""The access log: one line per request, when it ends."""

from __future__ import annotations

import logging

from nexus.accounting.record import CallRecord, log_level_of, milliseconds, reason

log = logging.getLogger("nexus.access")

LONGEST_NAME = 200


def log_call(record: CallRecord) -> None:
    level = log_level_of(record.error)
    if not log.isEnabledFor(level):
        return
    answer, identity, operation = record.answer, record.identity, record.operation
    usage = answer.usage if answer is not None else None
    known = {
        "id": record.id,
        "request_id": record.request_id,
        "trace": record.trace_id,
        "status": record.status,
        "error": record.error.kind if record.error else None,
        "why": reason(record.error) if record.error else None,
        "caller": record.caller,
        "client": identity.client_id if identity else None,
        "group": identity.group if identity else None,
        "key": identity.key if identity else None,
        "session": record.tags.session,
        "agent": record.tags.agent,
        "class": record.tags.request_class,
        "place": record.tags.place,
        "method": record.method[:LONGEST_NAME],
        "path": record.path[:LONGEST_NAME],
        "read": record.read,
        "protocol": record.protocol,
        "action": operation.action if operation else None,
        "model": record.model[:LONGEST_NAME],
        "route": record.route,
        "stream": record.stream if operation else None,
        "stop": answer.stop if answer is not None else None,
        "attempts": len(record.attempts) if operation else None,
        "first_ms": milliseconds(record.first),
        "total_ms": milliseconds(record.total),
        "own_ms": milliseconds(record.own),
        "in": usage.total_input if usage else None,
        "out": usage.total_output if usage else None,
        "cached": usage.cache_read if usage else None,
        "dropped": ",".join(record.dropped),
    }
    # An empty string counts as no value; 0 and False are values.
    fields = {name: None if value == "" else value for name, value in known.items()}
    # Not with ``log.log``, which looks up the calling frame for every line.
    log.handle(log.makeRecord(log.name, level, __file__, 0, "call", (), None, extra={"fields": fields}))
