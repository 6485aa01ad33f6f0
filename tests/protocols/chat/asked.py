"""Shorthand for chat requests."""

from nexus.wire import Json

HI = {"role": "user", "content": "hi"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CLOCK = {"type": "function", "function": {"name": "clock"}}


def call(name: str, call_id: str = "c1", **extra: Json) -> dict[str, Json]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}, **extra}


def ask(*messages: Json, **fields: Json) -> dict[str, Json]:
    return {"model": "m", "messages": list(messages) or [HI], **fields}


PNG = "data:image/png;base64,QUJD"
