"""Typed looks at a client's JSON, each refusing the wrong type by its exact path.

Law: raises InvalidRequest and nothing else; null is the same as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from nexus.errors import InvalidRequest
from nexus.wire import Json


class Drops:
    """The names of what is left out, each once, in the order in which it was met."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        self._names[name] = None

    def unknown(self, holder: Mapping[str, Json], known: Collection[str], prefix: str) -> None:
        """Names every member that is not known and asks for something."""
        for name, value in holder.items():
            if name not in known and value is not None and value is not False:
                self.add(f"{prefix}.{name}")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


def wrong(path: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: expected {expected}", param=path)


def an_object(value: Json, path: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise wrong(path, "an object")
    return value


def an_array(value: Json, path: str) -> Sequence[Json]:
    if not isinstance(value, list):
        raise wrong(path, "an array")
    return value


def a_string(holder: Mapping[str, Json], name: str, path: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise wrong(f"{path}.{name}" if path else name, "a string")
    return value


def maybe_string(holder: Mapping[str, Json], name: str, path: str = "") -> str | None:
    return None if holder.get(name) is None else a_string(holder, name, path)


def maybe_bool(holder: Mapping[str, Json], name: str, path: str = "") -> bool | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{path}.{name}" if path else name, "true or false")
    return value


def maybe_count(holder: Mapping[str, Json], name: str, path: str = "") -> int | None:
    value = holder.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise wrong(f"{path}.{name}" if path else name, "a natural number")
    return value


def maybe_number(holder: Mapping[str, Json], name: str, path: str = "") -> float | None:
    value = holder.get(name)
    if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise wrong(f"{path}.{name}" if path else name, "a number")
    return value
