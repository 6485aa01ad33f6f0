"""Typed looks at a client's JSON, each refusing the wrong type by its exact path, and the list of what is left out.

Law: raises InvalidRequest and nothing else; null is the same as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from nexus.errors import InvalidRequest
from nexus.wire import Json

Body = Mapping[str, Json]


class Drops:
    """The names of what is left out, each once, in the order in which it was met."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        self._names[name] = None

    def unknown(self, holder: Body, known: Collection[str], prefix: str) -> None:
        """Names every member that is not known and asks for something."""
        for name, value in holder.items():
            if name not in known and self.is_meaningful(value):
                self.add(f"{prefix}.{name}")

    def is_meaningful(self, value: Json) -> bool:
        """Whether a value asks for something."""
        return value is not None and value is not False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


def wrong(path: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{path}: expected {expected}", param=path)


def an_object(value: Json, path: str) -> Body:
    if not isinstance(value, Mapping):
        raise wrong(path, "an object")
    return value


def an_array(value: Json, path: str) -> list[Json]:
    if not isinstance(value, list):
        raise wrong(path, "an array")
    return value


def a_string(holder: Body, name: str, path: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise wrong(join(path, name), "a string")
    return value


def maybe_string(holder: Body, name: str, path: str = "") -> str | None:
    return None if holder.get(name) is None else a_string(holder, name, path)


def maybe_bool(holder: Body, name: str, path: str = "") -> bool | None:
    value = holder.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(join(path, name), "true or false")
    return value


def join(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path else name
