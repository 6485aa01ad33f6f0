"""Field names as Google's parser accepts them: in camelCase, and in snake_case, which its own SDK uses for some.

Source: the JSON mapping of protocol buffers.
"""

from __future__ import annotations

import re
from typing import Any

_OTHERS = ("args", "response", "parametersJsonSchema", "responseJsonSchema", "properties", "labels")
"""Fields whose contents have names that are not Google's."""


def spelled(value: Any) -> Any:
    """The value with all field names in camelCase."""
    if isinstance(value, list):
        return [spelled(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"(?<=[a-z0-9])_([a-z0-9])", lambda found: found[1].upper(), name): name for name in value}
    return {new: value[old] if new in _OTHERS else spelled(value[old]) for new, old in named.items()}
