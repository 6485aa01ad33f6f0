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
Made = TypeVar("Made")


def remembered(make: Callable[[Json, About], Made]) -> Callable[[Json, About], Made]:
    """Caches a pure function of a schema by the schema's bytes.

    Law: the result must not be modified, because other calls share it.
    """

    @functools.lru_cache(maxsize=ENTRIES)
    def of_bytes(raw: bytes, about: About) -> Made:
        return make(decode(raw), about)

    def of_schema(schema: Json, about: About) -> Made:
        raw = encode(schema)
        return of_bytes(raw, about) if len(raw) <= LARGEST else make(schema, about)

    return of_schema
