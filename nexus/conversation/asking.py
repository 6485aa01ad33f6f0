"""Whether a field asks for anything, in one place: only what does is named when it is left out."""

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
"""What fields are where nobody says them, beyond what is empty or off."""

_ASKS_EVEN_EMPTY = frozenset({"web_search_options"})
"""Tables whose presence alone switches something on."""


def asks_for(name: str, value: object) -> bool:
    """Whether a client that sends ``value`` wants something by it: null, false, what is empty, and what the field is
    anyway ask for nothing. ``name`` is a wire field's or a neutral one's.
    """
    if value or (value == 0 and value is not False):
        return name not in _SAME_AS_ABSENT or value != _SAME_AS_ABSENT[name]
    return name in _ASKS_EVEN_EMPTY and value is not None and value is not False
