"""The rows of the ledger: one for each attempt at a call, or one if there was none.

Names, numbers and the vendor's own counts, never a prompt, a reply or a key. Texts of clients and vendors are truncated
to fit the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nexus.accounting.names import fit_id, fit_name
from nexus.accounting.record import AttemptRecord, CallRecord, Outcome, milliseconds
from nexus.auth.identity import Identity
from nexus.conversation.usage import PARTS, Usage
from nexus.wire import Json, encode

LONGEST_LIST = 1000
LONGEST_RAW = 2000
"""Maximum lengths of the dropped fields, and of the vendor's own usage."""

LONGEST_WORD = 64
"""Maximum length of a text in the vendor's usage; a longer one is not a count."""

DEEPEST = 4
"""Maximum nesting depth of the vendor's usage to keep."""

_TAGS = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

Row = dict[str, Any]
"""Values by column name."""


def fit_usage(usage: Mapping[str, Json] | None) -> str:
    """The vendor's own usage as JSON; only its top level if it is too long. Keeps only counts and short words, so that
    a vendor cannot store anything else there.
    """
    if not usage:
        return ""
    for deepest in (DEEPEST, 1):
        text = encode(_counts(usage, deepest)).decode()
        if len(text) <= LONGEST_RAW:
            return text
    return ""


def _counts(value: Json, deepest: int) -> Json:
    match value:
        case dict() if deepest > 0:
            return {
                # Most values are numbers.
                name[:LONGEST_WORD]: item if item.__class__ is int else _counts(item, deepest - 1)
                for name, item in value.items()
            }
        case list() if deepest > 0:
            return [_counts(item, deepest - 1) for item in value]
        case str():
            return value if len(value) <= LONGEST_WORD else None
        case bool() | int() | float():
            return value
        case _:
            return None


TOKENS = tuple(f"{part}_tokens" for part in PARTS)
"""The columns of the disjoint parts of an attempt's tokens."""

TEXT = "TEXT NOT NULL"
FLAG = "INTEGER NOT NULL"
COUNT = "BIGINT NOT NULL"
NUMBER = "BIGINT"
MOMENT = "DOUBLE PRECISION NOT NULL"
"""In Unix seconds."""

DURATION = "DOUBLE PRECISION"
"""In milliseconds."""

COLUMNS = {
    "call_id": TEXT,
    "attempt": COUNT,
    "is_last": FLAG,
    "at_seconds": MOMENT,
    "caller": TEXT,
    "group_name": TEXT,
    "key_name": TEXT,
    "session": TEXT,
    "agent": TEXT,
    "request_class": TEXT,
    "user_agent": TEXT,
    "request_id": TEXT,
    "trace": TEXT,
    "tags": TEXT,
    "protocol": TEXT,
    "operation": TEXT,
    "model": TEXT,
    "request_model": TEXT,
    "response_model": TEXT,
    "route": TEXT,
    "key_class": TEXT,
    "stream": FLAG,
    "status": NUMBER,
    "outcome": TEXT,
    "call_outcome": TEXT,
    "timeout": TEXT,
    "error": TEXT,
    "stop": TEXT,
    "queue_ms": DURATION,
    "began_ms": DURATION,
    "first_ms": DURATION,
    "total_ms": DURATION,
    "own_ms": DURATION,
    "tokens_known": TEXT,
    **dict.fromkeys(TOKENS, COUNT),
    "raw_usage": TEXT,
    "service_tier": TEXT,
    "cost_nano": NUMBER,
    "price_source": TEXT,
    "dropped": TEXT,
}
"""The columns of the table ``attempts`` and their SQL types; ``docs/observability.rst`` describes each."""


_NOBODY = Identity(None, None, None, "open", None, None, frozenset())
_NO_USAGE = Usage()
_NO_ATTEMPT = AttemptRecord(
    number=0,
    route="",
    request_model="",
    key=None,
    outcome=Outcome.REFUSED,
    status=None,
    began=0.0,
    first_content=None,
    ended=0.0,
    model=None,
    stop=None,
    usage=None,
    tokens_known="yes",
    error=None,
    cost=0,
)
"""For a call without one: nothing was used."""


def rows_of(call: CallRecord, *, in_ledger: bool = False) -> list[Row]:
    """The rows of a call, in the order of its attempts: those that are to be written when it has ended, or those that
    are ``in_ledger`` by then."""
    if not call.attempts:
        return [_row(call, None, is_last=True)]
    last = call.attempts[-1]
    return [_row(call, one, is_last=one is last) for one in call.attempts if one.in_ledger is in_ledger]


def _row(call: CallRecord, of: AttemptRecord | None, *, is_last: bool) -> Row:
    """The values in the order of COLUMNS. Missing texts are ``""``, because in SQL two NULLs are never equal."""
    ended = of or call
    attempt, identity, tags = of or _NO_ATTEMPT, call.identity or _NOBODY, call.tags
    usage, error = attempt.usage or _NO_USAGE, ended.error
    return {
        "call_id": call.id,
        "attempt": attempt.number,
        "is_last": int(is_last),
        "at_seconds": call.at,
        "caller": fit_id(identity.client_id),
        "group_name": fit_name(identity.group),
        "key_name": fit_name(identity.key),
        "session": tags.session or "",
        "agent": tags.agent or "",
        "request_class": tags.request_class or "",
        "user_agent": fit_name(call.user_agent),
        "request_id": call.request_id or "",
        "trace": call.trace_id or "",
        "tags": _TAGS.encode(dict(tags.given)),
        "protocol": call.protocol,
        "operation": "" if call.operation is None else call.operation.action,
        "model": fit_name(call.model),
        "request_model": fit_name(attempt.request_model),
        "response_model": fit_name(attempt.model),
        "route": fit_name(attempt.route),
        "key_class": attempt.key or "",
        "stream": int(call.stream),
        "status": ended.status,
        "outcome": str(ended.outcome),
        "call_outcome": str(call.outcome),
        "timeout": attempt.timeout,
        "error": "" if error is None else error.kind,
        "stop": fit_name(attempt.stop),
        "queue_ms": milliseconds(call.queued),
        "began_ms": None if of is None else milliseconds(of.began),
        "first_ms": milliseconds(attempt.first_content),
        "total_ms": milliseconds(call.total if is_last else attempt.ended),
        "own_ms": milliseconds(call.own) if is_last else None,
        "tokens_known": attempt.tokens_known,
        "input_tokens": usage.input,
        "cache_read_tokens": usage.cache_read,
        "cache_write_5m_tokens": usage.cache_write_5m,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "raw_usage": fit_usage(attempt.raw_usage),
        "service_tier": fit_name(usage.service_tier),
        "cost_nano": attempt.cost,
        "price_source": fit_name(attempt.price_source),
        "dropped": fit_name(",".join(call.dropped), LONGEST_LIST) if is_last else "",
    }
