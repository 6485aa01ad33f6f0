"""A call's arguments as the JSON object that some dialects demand.

What a model wrote is kept whole: where it is no object (an answer that was cut, a model that slipped), its
text stands under one name, alike in answers and in histories.
"""

from __future__ import annotations

from nexus.wire import Json, decode

BROKEN = "messages.tool_call.arguments"
"""How it is named that arguments of the history had to be wrapped."""


def an_object_of(arguments: str) -> tuple[dict[str, Json], bool]:
    """The object, and whether the arguments are one by themselves; no words are no arguments."""
    if not arguments.strip():
        return {}, True
    try:
        parsed = decode(arguments)
    except ValueError:
        parsed = None
    return (parsed, True) if isinstance(parsed, dict) else ({"invalid_json": arguments}, False)
