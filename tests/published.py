"""Types that vendors publish with their SDKs, as judges of bodies."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter


@cache
def published(shape: Any) -> TypeAdapter[Any]:
    """Built when a test first asks for it: for many types that takes a tenth of a second, in every worker."""
    return TypeAdapter(shape)
