"""Whether a field has any effect, decided in one place: only such fields are reported when they are dropped."""

from __future__ import annotations

from collections.abc import Mapping

_SAME_AS_ABSENT: Mapping[str, object] = {
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "top_logprobs": 0,
    "n": 1,
    "truncation": "disabled",
    "verbosity": "medium",
}
"""Defaults of fields, other than empty or off."""

_ASKS_EVEN_EMPTY = frozenset({"web_search_options"})
"""Objects whose mere presence enables something."""


def asks_for(name: str, value: object) -> bool:
    """Whether ``value`` has any effect: null, false, empty values and the field's default have none. ``name`` is a wire
    field's or a neutral one's."""
    if value or (value == 0 and value is not False):
        return name not in _SAME_AS_ABSENT or value != _SAME_AS_ABSENT[name]
    return name in _ASKS_EVEN_EMPTY and value is not None and value is not False
