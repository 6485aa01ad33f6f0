"""What becomes of the schemas that agents send anew with every turn, the same bytes each time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import TypeVar

from nexus.wire import Json, decode, encode

ENTRIES = 512
"""Schemas that each function remembers, those that were asked for last."""

LARGEST = 4096
"""Bytes of a schema that is remembered."""

About = TypeVar("About", bound=Hashable)
Made = TypeVar("Made")


def remembered(make: Callable[[Json, About], Made]) -> Callable[[Json, About], Made]:
    """A pure function of a schema, which makes the same of the same bytes only once.

    Law: nobody changes what it gives: other calls have it too.
    """

    @functools.lru_cache(maxsize=ENTRIES)
    def of_bytes(raw: bytes, about: About) -> Made:
        return make(decode(raw), about)

    def of_schema(schema: Json, about: About) -> Made:
        raw = encode(schema)
        return of_bytes(raw, about) if len(raw) <= LARGEST else make(schema, about)

    return of_schema
