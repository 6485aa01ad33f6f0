"""Options of usage reports, shared by the command line and the HTTP endpoint. Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.accounting.names import fit_id
from nexus.headers.tags import TAG, is_tag

BY: Mapping[str, str] = {
    "user": "caller",
    "group": "group_name",
    "key": "key_name",
    "model": "model",
    "route": "route",
    "provider": "route",
    "session": "session",
    "agent": "agent",
    "tag": "tags",
    "day": "day",
}
"""The ways to group sums, each with its column."""


FORMATS = ("table", "csv", "json")
"""The output formats."""

Filters = Sequence[tuple[str, str]]
"""Pairs of a name in FILTERS and the value that it must have; all of them must match."""

FILTERS = frozenset(BY) - {"provider", "tag", "day"}


def where(known: Mapping[str, str | float], only: Filters) -> tuple[str, list[str | float]]:
    """The SQL condition of a query and its values: from ``known`` conditions, each with its value, and from filters."""
    conditions = [*known, *(f"{BY[name]} = ?" for name, _ in only)]
    wanted = (fit_id(value) if name == "user" else value for name, value in only)
    return " AND ".join(conditions), [*known.values(), *wanted]


def check_by(by: str) -> str:
    """Returns ``by`` if it is a valid grouping: a name, or ``tag:NAME`` for the values of one tag. Raises
    ValueError."""
    if by in BY or is_tag(by):
        return by
    raise ValueError(f"choose from {', '.join(BY)}, or {TAG}NAME for the values of one tag")
