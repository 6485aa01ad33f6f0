"""JSON encoding, and safe accessors for untrusted JSON.

Law: client and upstream data is never indexed; it is read through accessors that return an empty value of the right
type.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from pydantic_core import from_json, to_json

from nexus.late import pattern

Json = Any
"""A decoded JSON value; the only place where ``Any`` is allowed."""


def decode(raw: bytes | str) -> Json:
    """Parses strict JSON: no NaN or Infinity; a lone surrogate becomes U+FFFD.

    Raises ValueError whose text is safe to show.
    """
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        if (value := _with_half_pairs(raw)) is not None:
            return without_half_pairs(value)
        raise
    except TypeError:
        # The text itself has surrogates, as the joined deltas of a call's arguments may.
        return from_json(without_half_pairs(raw), allow_inf_nan=False)


def decode_leniently(raw: bytes | str) -> Json:
    """As ``decode``, but accepts what some vendors write and some clients read: a byte order mark, NaN, invalid
    UTF-8."""
    try:
        return decode(raw)
    except ValueError:
        return from_json(raw if isinstance(raw, str) else raw.decode("utf-8-sig", "replace"))


def decode_object(raw: bytes | str) -> dict[str, Json]:
    """The JSON object; an empty one for anything else."""
    try:
        value = decode(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def decode_delta(raw: bytes | str) -> Json:
    """As ``decode``, but keeps a lone surrogate, because its other half may come with the next delta."""
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        if (value := _with_half_pairs(raw)) is not None:
            return value
        raise


def encode(value: Json) -> bytes:
    """Compact UTF-8 JSON. Infinity and NaN become null, a lone surrogate U+FFFD."""
    try:
        return to_json(value, inf_nan_mode="null")
    except ValueError:
        return to_json(without_half_pairs(value), inf_nan_mode="null")


_HALF_PAIR = pattern(r"\\u[dD][89a-fA-F]")


def _with_half_pairs(raw: bytes | str) -> Json:
    """The value of JSON that is valid except for lone surrogate escapes; None for anything else."""
    try:
        written = raw if isinstance(raw, str) else raw.decode()
        # With another character in their place, it must be JSON within the limit on nesting.
        from_json(_HALF_PAIR.sub(r"\\u00", written), allow_inf_nan=False)
        return json.loads(written)
    except ValueError:
        return None


def without_half_pairs(value: Json) -> Json:
    """The value with adjacent surrogates joined, and U+FFFD for each lone one."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {without_half_pairs(name): without_half_pairs(item) for name, item in value.items()}
        case list() | tuple():
            return [without_half_pairs(item) for item in value]
        case _:
            return value


def mapping(value: object) -> Mapping[str, Json]:
    """The JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[Json]:
    """The JSON array, or an empty one."""
    return value if isinstance(value, (list, tuple)) else ()


def text(value: object) -> str:
    """The JSON string, or an empty one."""
    return value if isinstance(value, str) else ""


def only(fields: Mapping[str, Json]) -> dict[str, Json]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def holds_any(names: frozenset[str], value: Json) -> bool:
    """Whether any object in ``value``, at any depth, has one of the members."""
    holders: list[Json] = [[value]]
    # Without a function call for each value, of which long conversations have many.
    for holder in holders:
        if holder.__class__ is dict and not names.isdisjoint(holder):
            return True
        inner = holder.values() if holder.__class__ is dict else holder
        holders += [one for one in inner if one.__class__ is dict or one.__class__ is list]
    return False


def count(value: object) -> int:
    """The natural number, rounded up, because some servers send ``12.0``; 0 for anything else, and for implausibly
    large numbers."""
    if type(value) is int:
        return value if 0 < value <= MOST_COUNTED else 0
    return ceil(value) if isinstance(value, float) and 0 < value <= MOST_COUNTED else 0


def base64_bytes(data: str) -> bytes | None:
    """The decoded base64; None if invalid."""
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        return None


def unpadded(data: str) -> bytes | None:
    """The decoded base64url without padding; None if invalid."""
    if not _BASE64_URL.fullmatch(data) or len(data) % 4 == 1:
        return None
    return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))


def digest(words: str, digits: int = 64) -> str:
    """A unique short name for a text: hexadecimal digits of its SHA-256."""
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


MOST_COUNTED = 10**12
"""A larger number is taken for a mistake; sums of millions of such counts fit into 64 bits."""

_BASE64_URL = pattern(r"[A-Za-z0-9_-]+")


def item_at(items: Sequence[Any], step: str) -> Any:
    """The item that a step of a path names, or None."""
    index = int(step) if step.isdecimal() and len(step) < 10 else len(items)
    return items[index] if index < len(items) else None
