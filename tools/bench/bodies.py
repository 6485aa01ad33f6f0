"""Requests of any size in the benchmark's dialects: a short history, or for large sizes what coding agents send.

From 16 kB on, half of the body is tools and half is text, as with coding agents; smaller bodies are only text.
"""

from __future__ import annotations

import json
import random
from typing import Any

_COMMON = """
    the of and to in is that for it on with as be this by are from at or an have not was but which you can all will
    more file code function error test build read write edit path line search replace command output result project
    module user request should must never always before after when then list open close run check update create
    remove
"""
_WORDS = _COMMON.split()
_TOOLS_FROM = 16_000
_PART = 1200


def words(size: int, seed: int) -> str:
    """Text of ``size`` characters; the same seed returns the same text."""
    chosen = random.Random(seed)
    text: list[str] = []
    length = 0
    while length <= size:
        text.append(chosen.choice(_WORDS))
        length += len(text[-1]) + 1
    return " ".join(text)[:size]


def _tool(number: int) -> tuple[str, str, dict[str, Any]]:
    fields = {f"field_{i}": {"type": "string", "description": words(90, number * 10 + i)} for i in range(4)}
    schema = {"type": "object", "properties": fields, "required": ["field_0"], "additionalProperties": False}
    return f"tool_{number}", words(600, 1000 + number), schema


def _tools(dialect: str, size: int) -> list[dict[str, Any]]:
    made = map(_tool, range(size // _PART if size >= _TOOLS_FROM else 0))
    if dialect == "messages":
        return [{"name": name, "description": text, "input_schema": schema} for name, text, schema in made]
    if dialect == "responses":
        return [
            {"type": "function", "name": name, "description": text, "parameters": schema} for name, text, schema in made
        ]
    return [
        {"type": "function", "function": {"name": name, "description": text, "parameters": schema}}
        for name, text, schema in made
    ]


def _turns(size: int) -> list[dict[str, Any]]:
    count = max(1, size // _PART) | 1
    return [
        {"role": ("user", "assistant")[i % 2], "content": words(max(16, size // count), 20 + i)} for i in range(count)
    ]


def body(dialect: str, size: int, model: str, *, stream: bool = False) -> bytes:
    """A request of about ``size`` bytes, which is at least 300."""
    tools = _tools(dialect, min(size // 2, 60 * _PART))
    rest = max(64, size - len(json.dumps(tools)) - 250)
    system, turns = words(rest // 4, 4), _turns(rest - rest // 4)
    asked: dict[str, Any] = {"model": model}
    match dialect:
        case "messages":
            asked |= {"max_tokens": 1024, "system": system, "messages": turns}
        case "responses":
            asked |= {"max_output_tokens": 1024, "instructions": system, "input": turns}
        case _:
            asked |= {"messages": [{"role": "system", "content": system}, *turns]}
    asked["temperature"] = 0.7
    if tools:
        asked["tools"] = tools
    if stream:
        asked["stream"] = True
        if dialect == "chat":
            asked["stream_options"] = {"include_usage": True}
    return json.dumps(asked).encode()
