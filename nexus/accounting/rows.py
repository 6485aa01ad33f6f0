"""The rows of the ledger: one for each attempt at a call, or one if there was none.

Names, numbers and the vendor's own counts, never a prompt, a reply or a key. Texts of clients and vendors are truncated
to fit the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

from nexus.accounting.record import AttemptRecord, CallRecord, milliseconds
from nexus.conversation.usage import PARTS
from nexus.wire import Json, encode

LONGEST_NAME = 200
LONGEST_LIST = 1000
LONGEST_RAW = 2000
"""Maximum lengths of a name, of the dropped fields, and of the vendor's own usage."""

LONGEST_WORD = 64
"""Maximum length of a text in the vendor's usage; a longer one is not a count."""

DEEPEST = 4
"""Maximum nesting depth of the vendor's usage to keep."""

_TAGS = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

Row = dict[str, Any]
"""Values by column name."""


class ColumnType(NamedTuple):
    """A column's SQL type, the value stored for nothing in a NOT NULL column, and the function that makes a value
    fit."""

    sql: str
    empty: str | int | None = None
    fit: Callable[[Any], Any] | None = None


def fit_name(value: str, most: int = LONGEST_NAME) -> str:
    """Truncates a name and replaces characters that a database does not accept, such as lone surrogates."""
    cut = value[:most]
    return cut if cut.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in cut)


def fit_list(names: Iterable[str]) -> str:
    return fit_name(",".join(names), LONGEST_LIST)


def fit_tags(pairs: Iterable[tuple[str, str]]) -> str:
    """The canonical JSON of the tags."""
    return _TAGS.encode(dict(pairs)) if pairs else "{}"


def fit_usage(usage: Mapping[str, Json]) -> str:
    """The vendor's own usage as JSON; only its top level if it is too long. Keeps only counts and short words, so that
    a vendor cannot store anything else there.
    """
    for deepest in (DEEPEST, 1) if usage else ():
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


WORD = ColumnType("TEXT NOT NULL", "")
"""Our own text, or one already truncated."""

NAME = ColumnType("TEXT NOT NULL", "", fit_name)
"""A text from outside."""

OUTCOME = WORD._replace(fit=str)
"""Stored as a plain string, which database drivers accept as it is."""

FLAG = ColumnType("INTEGER NOT NULL", 0, int)
COUNT = ColumnType("BIGINT NOT NULL", 0)
NUMBER = ColumnType("BIGINT")
MOMENT = ColumnType("DOUBLE PRECISION NOT NULL")
"""In Unix seconds."""

DURATION = ColumnType("DOUBLE PRECISION", fit=milliseconds)


class Column(NamedTuple):
    """``path`` is the attribute path of its value in the result of ``_source``."""

    name: str
    kind: ColumnType
    path: str


COLUMNS = (
    Column("call_id", WORD, "call.id"),
    Column("attempt", COUNT, "attempt.number"),
    Column("is_last", FLAG, "is_last"),
    Column("at_seconds", MOMENT, "call.at"),
    Column("caller", NAME, "identity.client_id"),
    Column("group_name", NAME, "identity.group"),
    Column("key_name", NAME, "identity.key"),
    Column("session", WORD, "call.tags.session"),
    Column("agent", WORD, "call.tags.agent"),
    Column("request_class", WORD, "call.tags.request_class"),
    Column("user_agent", NAME, "call.user_agent"),
    Column("request_id", WORD, "call.request_id"),
    Column("trace", WORD, "call.trace_id"),
    Column("tags", ColumnType("TEXT NOT NULL", "{}", fit_tags), "call.tags.given"),
    Column("protocol", WORD, "call.protocol"),
    Column("operation", WORD, "operation.action"),
    Column("model", NAME, "call.model"),
    Column("request_model", NAME, "attempt.request_model"),
    Column("response_model", NAME, "attempt.model"),
    Column("route", NAME, "attempt.route"),
    Column("key_class", WORD, "attempt.key"),
    Column("stream", FLAG, "call.stream"),
    Column("status", NUMBER, "ended.status"),
    Column("outcome", OUTCOME, "ended.outcome"),
    Column("call_outcome", OUTCOME, "call.outcome"),
    Column("timeout", WORD, "attempt.timeout"),
    Column("error", WORD, "error.kind"),
    Column("stop", NAME, "attempt.stop"),
    Column("queue_ms", DURATION, "call.queued"),
    Column("began_ms", DURATION, "attempt.began"),
    Column("first_ms", DURATION, "attempt.first_content"),
    Column("total_ms", DURATION, "total"),
    Column("own_ms", DURATION, "whole.own"),
    # Without an attempt nothing was used.
    Column("tokens_known", WORD._replace(empty="yes"), "attempt.tokens_known"),
    *(Column(f"{part}_tokens", COUNT, f"usage.{part}") for part in PARTS),
    Column("raw_usage", ColumnType("TEXT NOT NULL", "", fit_usage), "attempt.raw_usage"),
    Column("service_tier", NAME, "usage.service_tier"),
    Column("cost_nano", NUMBER, "cost"),
    Column("price_source", NAME, "attempt.price_source"),
    Column("dropped", ColumnType("TEXT NOT NULL", "", fit_list), "whole.dropped"),
)
"""Columns of the table ``attempts``; ``docs/observability.rst`` describes each."""

TOKENS = tuple(f"{part}_tokens" for part in PARTS)
"""The columns of the disjoint parts of an attempt's tokens."""

_NAMES = tuple(column.name for column in COLUMNS)
_values = attrgetter(*(column.path for column in COLUMNS))
_EMPTY = tuple((column.name, column.kind.empty) for column in COLUMNS if column.kind.empty is not None)
_FITS = tuple((column.name, column.kind.fit) for column in COLUMNS if column.kind.fit is not None)

_NOTHING = SimpleNamespace(**dict.fromkeys(column.path.rpartition(".")[2] for column in COLUMNS))
"""Stands for a missing part of a call: every attribute that is read is None."""


def rows_of(call: CallRecord) -> list[Row]:
    """The rows of a call, in the order of its attempts."""
    if not call.attempts:
        return [_row(_source(call, None, is_last=True))]
    last = call.attempts[-1]
    return [_row(_source(call, attempt, is_last=attempt is last)) for attempt in call.attempts]


def _row(source: SimpleNamespace) -> Row:
    row: Row = dict(zip(_NAMES, _values(source), strict=True))
    for name, fit in _FITS:
        if value := row[name]:
            row[name] = fit(value)
    for name, empty in _EMPTY:
        if not row[name]:
            row[name] = empty
    return row


def _source(call: CallRecord, attempt: AttemptRecord | None, *, is_last: bool) -> SimpleNamespace:
    """``ended`` is the attempt, or the call if there was none; ``whole`` is the call if the row describes it as a
    whole."""
    ended = attempt or call
    return SimpleNamespace(
        call=call,
        identity=call.identity or _NOTHING,
        operation=call.operation or _NOTHING,
        attempt=attempt or _NOTHING,
        usage=(attempt and attempt.usage) or _NOTHING,
        ended=ended,
        error=ended.error or _NOTHING,
        whole=call if is_last else _NOTHING,
        is_last=is_last,
        total=call.total if attempt is None or is_last else attempt.ended,
        cost=0 if attempt is None else attempt.cost,
    )
