"""JSON off and onto the wire, and guards for reading what somebody else wrote.

Law: upstream and client data is never indexed; it is asked through a guard that answers with an empty value
of the right type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

Json = Any
"""A decoded JSON value; the only place where ``Any`` is welcome."""


def decode(raw: bytes | str) -> Json:
    """Parse strict JSON: no NaN or Infinity. Raises ValueError whose text is safe to show."""
    return from_json(raw, allow_inf_nan=False)


def encode(value: Json) -> bytes:
    """Compact UTF-8 JSON."""
    return to_json(value)


def mapping(value: object) -> Mapping[str, Json]:
    """The JSON object, or an empty one."""
    # The two that JSON nearly always has here; asking for any Mapping takes ten times as long.
    if isinstance(value, dict):
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Json]:
    """The JSON array, or an empty one."""
    return value if isinstance(value, list | tuple) else ()


def text(value: object) -> str:
    """The JSON string, or an empty one."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """The natural number, or 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
