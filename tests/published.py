"""Types published with the vendors' SDKs, to validate bodies."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter


@cache
def published(shape: Any) -> TypeAdapter[Any]:
    """Built on first use: for many types that takes a tenth of a second in every worker."""
    return TypeAdapter(shape)
