"""What this dialect asks of a client's JSON beyond what all do.

Law: as in ``nexus.protocols.checks``; null is the same as absent.
"""

from __future__ import annotations

from nexus.protocols import checks
from nexus.protocols.checks import Body, a_string, join, wrong
from nexus.wire import Json


class Drops(checks.Drops):
    """Here an empty list or object asks for nothing either."""

    def is_meaningful(self, value: Json) -> bool:
        return super().is_meaningful(value) and value not in ([], {})


def a_name(holder: Body, name: str, path: str) -> str:
    """A string that must be there and say something."""
    value = a_string(holder, name, path)
    if not value:
        raise wrong(join(path, name), "a string that is not empty")
    return value


def maybe_whole(holder: Body, name: str, low: int, high: int | None = None) -> int | None:
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < low or (high is not None and value > high):
        raise wrong(name, f"a whole number, at least {low}" if high is None else f"a whole number from {low} to {high}")
    return value


def maybe_number(holder: Body, name: str, low: float, high: float) -> float | None:
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise wrong(name, f"a number from {low:g} to {high:g}")
    return float(value)
