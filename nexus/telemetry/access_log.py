"""The access log: one line per request, when it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from nexus.accounting.record import CallRecord, log_level_of, milliseconds, reason

log = logging.getLogger("nexus.access")

LONGEST_NAME = 200

_EVERY_LINE = vars(logging.LogRecord(log.name, logging.INFO, __file__, 0, "call", (), None))


class _Line(logging.LogRecord):
    """A record of this log, which does not look up its file and thread as every other record does."""

    def __init__(self, level: int, fields: Mapping[str, object]) -> None:
        self.__dict__.update(_EVERY_LINE)
        self.levelno, self.levelname, self.created = level, logging.getLevelName(level), time.time()
        self.fields = fields


def log_call(record: CallRecord) -> None:
    level = log_level_of(record.error)
    if not log.isEnabledFor(level):
        return
    answer, identity, operation = record.answer, record.identity, record.operation
    usage = answer.usage if answer is not None else None
    # An empty string counts as no value.
    fields = {
        "id": record.id,
        "request_id": record.request_id,
        "trace": record.trace_id,
        "status": record.status,
        "error": record.error.kind if record.error else None,
        "why": reason(record.error) or None if record.error else None,
        "caller": record.caller or None,
        "client": identity.client_id if identity else None,
        "group": identity.group if identity else None,
        "key": identity.key if identity else None,
        "session": record.tags.session,
        "agent": record.tags.agent,
        "class": record.tags.request_class,
        "place": record.tags.place,
        "method": record.method[:LONGEST_NAME] or None,
        "path": record.path[:LONGEST_NAME] or None,
        "read": record.read,
        "protocol": record.protocol or None,
        "action": operation.action if operation else None,
        "model": record.model[:LONGEST_NAME] or None,
        "route": record.route,
        "stream": record.stream if operation else None,
        "stop": answer.stop or None if answer is not None else None,
        "attempts": len(record.attempts) if operation else None,
        "first_ms": milliseconds(record.first),
        "total_ms": milliseconds(record.total),
        "own_ms": milliseconds(record.own),
        "in": usage.total_input if usage else None,
        "out": usage.total_output if usage else None,
        "cached": usage.cache_read if usage else None,
        "dropped": ",".join(record.dropped) or None,
    }
    log.handle(_Line(level, fields))
