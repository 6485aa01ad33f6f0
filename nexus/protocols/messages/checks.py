"""Numbers in a client's JSON, each refusing the wrong type by its exact path.

Law: as in ``nexus.protocols.checks``; null is the same as absent.
"""

from __future__ import annotations

import sys

from nexus.protocols.checks import Body, join, wrong


def maybe_count(holder: Body, name: str, path: str = "") -> int | None:
    value = holder.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise wrong(join(path, name), "a natural number")
    return value


def maybe_number(holder: Body, name: str, path: str = "") -> float | None:
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not -_LARGEST <= value <= _LARGEST:
        raise wrong(join(path, name), "a number")
    return float(value)


_LARGEST = sys.float_info.max
