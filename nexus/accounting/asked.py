"""What a report can be asked for, by the command line and by an address alike. Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
"""What sums can be asked for by, and the column that it is kept in."""


FORMATS = ("table", "csv", "json")
"""As what it is written."""

Filters = Sequence[tuple[str, str]]
"""Names of FILTERS, each with the one value that is counted; all of them hold."""

FILTERS = frozenset(BY) - {"provider", "tag", "day"}


def where(known: Mapping[str, str | float], only: Filters) -> tuple[str, list[str | float]]:
    """The condition of a query and its values: conditions that are ``known`` with a value each, and filters."""
    conditions = [*known, *(f"{BY[name]} = ?" for name, _ in only)]
    return " AND ".join(conditions), [*known.values(), *(value for _, value in only)]


def check_by(by: str) -> str:
    """The name, or ``tag:NAME`` for the values of one tag. Raises ValueError."""
    if by in BY or is_tag(by):
        return by
    raise ValueError(f"choose from {', '.join(BY)}, or {TAG}NAME for the values of one tag")
