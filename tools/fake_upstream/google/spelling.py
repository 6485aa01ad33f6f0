"""Field names as Google's parser accepts them: in camelCase, and in snake_case, which its own SDK uses for some.

Some values may be in lower case: types of schemas, as @google/generative-ai 0.24 writes them, and levels of thinking,
as the AI SDK does. Source: the JSON mapping of protocol buffers.
"""

from __future__ import annotations

import re
from typing import Any

_OTHERS = ("args", "response", "parametersJsonSchema", "responseJsonSchema", "labels")
"""Fields whose contents have names that are not Google's."""


def spelled(value: Any) -> Any:
    """The value with all field names in camelCase, and enums in upper case."""
    if isinstance(value, list):
        return [spelled(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda found: found[1].upper(), name): name for name in value}
    return {new: _field(new, value[old]) for new, old in named.items()}


def _field(name: str, value: Any) -> Any:
    match name, value:
        case ("properties", dict()):
            return {property: spelled(schema) for property, schema in value.items()}
        case ("type" | "thinkingLevel", str()):
            return value.upper()
        case _:
            return value if name in _OTHERS else spelled(value)
