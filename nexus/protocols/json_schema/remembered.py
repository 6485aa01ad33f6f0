"""Caches the conversion of schemas that agents send again with every turn, with the same bytes each time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TypeVar

from nexus.wire import Json, decode, encode

ENTRIES = 512
"""Number of schemas that each function caches; the least recently used are evicted."""

LARGEST = 4096
"""Maximum size in bytes of a cached schema."""

About = TypeVar("About", bound=Hashable)
Result = TypeVar("Result")


def remembered(convert: Callable[[Json, About], Result]) -> Callable[[Json, About], Result]:
    """Caches a pure function of a schema by the schema's bytes.

    Law: the result must not be modified, because other calls share it.
    """

    @functools.lru_cache(maxsize=ENTRIES)
    def of_bytes(raw: bytes, about: About) -> Result:
        return convert(decode(raw), about)

    def of_schema(schema: Json, about: About) -> Result:
        raw = encode(schema)
        return of_bytes(raw, about) if len(raw) <= LARGEST else convert(schema, about)

    return of_schema
