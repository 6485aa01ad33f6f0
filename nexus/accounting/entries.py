"""The rows that a call makes in the ledger: one for each attempt, or one where none was made.

Pure, and for any record: whatever a client or a vendor said is cut to what a table can hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from nexus.accounting.entry import Entry, milliseconds
from nexus.accounting.record import AttemptRecord, CallRecord
from nexus.conversation.usage import Usage
from nexus.wire import Json, encode

LONGEST_NAME = 200
LONGEST_LIST = 1000
LONGEST_RAW = 2000
"""Characters of a name, of what was dropped, and of the vendor's own usage."""

LONGEST_WORD = 64
"""Characters of a text in the vendor's usage; a longer one says more than a count."""

DEEPEST = 4
"""Levels of it that are kept."""


def entries_of(record: CallRecord) -> tuple[Entry, ...]:
    if not record.attempts:
        return (_entry(record, None, last=True),)
    last = record.attempts[-1]
    return tuple(_entry(record, attempt, last=attempt is last) for attempt in record.attempts)


def _entry(record: CallRecord, attempt: AttemptRecord | None, *, last: bool) -> Entry:
    identity, error = record.identity, attempt.error if attempt is not None else record.error
    usage = attempt.usage if attempt is not None and attempt.usage is not None else Usage()
    return Entry(
        call_id=record.id,
        attempt=attempt.number if attempt is not None else 0,
        last=last,
        at=record.at,
        caller=_text(identity.client_id if identity is not None else None),
        group=_text(identity.group if identity is not None else None),
        key=_text(identity.key if identity is not None else None),
        session=record.tags.session or "",
        agent=record.tags.agent or "",
        request_class=record.tags.request_class or "",
        user_agent=_text(record.user_agent),
        request_id=record.request_id or "",
        trace=record.trace_id or "",
        tags=tags_text(dict(record.tags.given)),
        protocol=record.protocol,
        operation=record.operation.action if record.operation is not None else "",
        model=_text(record.model),
        request_model=_text(attempt.request_model if attempt is not None else None),
        response_model=_text(attempt.model if attempt is not None else None),
        route=_text(attempt.route if attempt is not None else None),
        key_class=(attempt.key or "") if attempt is not None else "",
        stream=record.stream,
        status=attempt.status if attempt is not None else record.status,
        outcome=attempt.outcome if attempt is not None else record.outcome,
        call_outcome=record.outcome,
        timeout=attempt.timeout if attempt is not None else "",
        error=error.kind if error is not None else "",
        stop=_text(attempt.stop if attempt is not None else None),
        queue_ms=milliseconds(record.queued),
        began_ms=milliseconds(attempt.began if attempt is not None else None),
        first_ms=milliseconds(attempt.first_content if attempt is not None else None),
        total_ms=milliseconds(record.total if last or attempt is None else attempt.ended),
        own_ms=milliseconds(record.own if last else None),
        tokens_known=attempt.tokens_known if attempt is not None else "yes",
        input=usage.input,
        cache_read=usage.cache_read,
        cache_write_5m=usage.cache_write_5m,
        cache_write_1h=usage.cache_write_1h,
        output=usage.output,
        reasoning=usage.reasoning,
        raw_usage=raw_text(attempt.raw_usage) if attempt is not None and attempt.raw_usage else "",
        service_tier=_text(usage.service_tier),
        cost=attempt.cost if attempt is not None else 0,
        price_source=_text(attempt.price_source) if attempt is not None else "",
        dropped=_text(",".join(record.dropped), LONGEST_LIST) if last else "",
    )


def tags_text(tags: Mapping[str, str]) -> str:
    """The one spelling of the same tags."""
    return json.dumps(tags, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if tags else "{}"


def raw_text(usage: Mapping[str, Json]) -> str:
    """The vendor's own usage as JSON; of one that is too long what stands at its top. Only counts and words are kept,
    so that no vendor can put anything else there.
    """
    for deepest in (DEEPEST, 1):
        text = encode(_counts(usage, deepest)).decode()
        if len(text) <= LONGEST_RAW:
            return text
    return ""


def _counts(value: Json, deepest: int) -> Json:
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return value if len(value) <= LONGEST_WORD else None
        case list() if deepest > 0:
            return [_counts(item, deepest - 1) for item in value]
        case Mapping() if deepest > 0:
            return {
                # Most of it are numbers.
                name[:LONGEST_WORD]: item if item.__class__ is int else _counts(item, deepest - 1)
                for name, item in value.items()
            }
        case _:
            return None


def _text(value: str | None, most: int = LONGEST_NAME) -> str:
    """Without what no database takes, such as halves of a letter."""
    if not value:
        return ""
    cut = value[:most]
    return cut if cut.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in cut)
