"""A call's arguments as the JSON object that some dialects require.

What a model wrote is kept completely: if it is not an object (the answer was cut off, or the model made a mistake), its
text is put under one key, in answers and in histories alike.
"""

from __future__ import annotations

from nexus.wire import Json, decode

BROKEN = "messages.tool_call.arguments"
"""Name under which wrapped arguments in the history are reported."""


def an_object_of(arguments: str) -> tuple[dict[str, Json], bool]:
    """The object, and whether the arguments were one by themselves; an empty text means no arguments."""
    if not arguments.strip():
        return {}, True
    try:
        parsed = decode(arguments)
    except ValueError:
        parsed = None
    return (parsed, True) if isinstance(parsed, dict) else ({"invalid_json": arguments}, False)
