"""Reads single members of a client's body, exact about what is wrong and where.

Law: null is the same as absent; a wrong type or range is an InvalidRequest whose ``param`` is the path.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.errors import InvalidRequest
from nexus.wire import Json


def read_number(body: Mapping[str, Json], name: str, low: float, high: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRequest(f"{name}: expected a number", param=name)
    if not low <= value <= high:
        raise InvalidRequest(f"{name}: expected a number from {low:g} to {high:g}", param=name)
    return float(value)


def read_whole(body: Mapping[str, Json], name: str, low: int | None = None, high: int | None = None) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(f"{name}: expected a whole number", param=name)
    if (low is not None and value < low) or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise InvalidRequest(f"{name}: expected a whole number {limits}", param=name)
    return value


def read_flag(body: Mapping[str, Json], name: str, path: str | None = None) -> bool | None:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise InvalidRequest(f"{path or name}: expected true or false", param=path or name)


def read_string(body: Mapping[str, Json], name: str, path: str | None = None) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidRequest(f"{path or name}: expected a string", param=path or name)


def need_string(body: Mapping[str, Json], name: str, path: str) -> str:
    """A string that must be there and say something."""
    value = read_string(body, name, path)
    if not value:
        raise InvalidRequest(f"{path}: expected a string that is not empty", param=path)
    return value


def need_object(value: Json, path: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{path}: expected an object", param=path)
    return value


def need_list(value: Json, path: str) -> list[Json]:
    if not isinstance(value, list):
        raise InvalidRequest(f"{path}: expected an array", param=path)
    return value
