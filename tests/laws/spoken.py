"""A conversation as clients of either dialect write it on the wire: users by hand, assistants by echoing answers."""

from __future__ import annotations

import base64
from typing import Any

from nexus.conversation import (
    CacheHint,
    Document,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Request,
    Response,
    Stop,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
)
from nexus.protocols import codecs

from .kit import Turn, echo

Wire = dict[str, Any]


def spoken(client: str, request: Request) -> Wire:
    """The request's body."""
    return _chat(request) if client == "chat" else _messages(request)


def _assistant(client: str, message: Message) -> Turn:
    """What the client was told, sent back."""
    answer = Response("id1", "m", message.parts, Stop("end"))
    return echo(client, codecs.client(client).write_response(answer, created=1))


def _cache(hint: CacheHint | None) -> Wire:
    return {} if hint is None else {"cache_control": {"type": "ephemeral", "ttl": hint}}


# Messages


def _messages(request: Request) -> Wire:
    body: Wire = {"model": "m", "max_tokens": 64, "messages": []}
    if request.system:
        body["system"] = [_block(block) for block in request.system]
    if request.tools:
        body["tools"] = [_claude_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = {"type": request.tool_choice.mode}
    for message in request.messages:
        if message.role == "assistant":
            body["messages"].append(_assistant("messages", message))
        else:
            body["messages"].append({"role": message.role, "content": [_block(part) for part in message.parts]})
    return body


def _claude_tool(tool: Tool) -> Wire:
    wire: Wire = {"name": tool.name, "input_schema": tool.parameters}
    return wire | ({"description": tool.description} if tool.description else {}) | _cache(tool.cache)


def _block(part: Part) -> Wire:
    match part:
        case Text():
            wire: Wire = {"type": "text", "text": part.text}
        case Image(source=source):
            wire = {"type": "image", "source": _source(source)}
        case Document(source=source, title=title, context=context):
            wire = {"type": "document", "source": _source(source)}
            wire |= {name: value for name, value in (("title", title), ("context", context)) if value}
        case ToolResult():
            content = [_block(inner) for inner in part.parts]
            wire = {"type": "tool_result", "tool_use_id": part.call_id, "content": content, "is_error": part.is_error}
        case _:
            raise TypeError(part)
    return wire | _cache(part.cache)


def _source(source: Inline | Link | Text) -> Wire:
    match source:
        case Inline(media_type=media_type, data=data):
            return {"type": "base64", "media_type": media_type, "data": data}
        case Link(url=url):
            return {"type": "url", "url": url}
        case Text(text=words):
            return {"type": "text", "media_type": "text/plain", "data": words}


# Chat


def _chat(request: Request) -> Wire:
    messages: list[Wire] = []
    if request.system:
        messages.append({"role": "system", "content": [piece for part in request.system for piece in _pieces(part)]})
    for message in request.messages:
        match message.role:
            case "assistant":
                messages.append(_assistant("chat", message))
            case "system":
                messages.append({"role": "developer", "content": [p for part in message.parts for p in _pieces(part)]})
            case "user":
                messages += _chat_user(message)
    body: Wire = {"model": "m", "messages": messages}
    if request.tools:
        body["tools"] = [_chat_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        body["tool_choice"] = _chat_choice(request.tool_choice)
    return body


def _chat_choice(choice: ToolChoice) -> Any:
    return choice.mode if choice.name is None else {"type": "function", "function": {"name": choice.name}}


def _chat_tool(tool: Tool) -> Wire:
    function: Wire = {"name": tool.name}
    for name, value in (("description", tool.description), ("parameters", tool.parameters)):
        function |= {} if value is None else {name: value}
    return {"type": "function", "function": function} | _cache(tool.cache)


def _chat_user(message: Message) -> list[Wire]:
    wire: list[Wire] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            content = [piece for inner in part.parts for piece in _pieces(inner)]
            wire.append({"role": "tool", "tool_call_id": part.call_id, "content": content} | _cache(part.cache))
    rest = [piece for part in message.parts if not isinstance(part, ToolResult) for piece in _pieces(part)]
    match rest:
        case []:
            return wire
        case [{"type": "text", "text": str(words), **more}] if not more:
            return [*wire, {"role": "user", "content": words}]
        case _:
            return [*wire, {"role": "user", "content": rest}]


def _pieces(part: Part) -> list[Wire]:
    match part:
        case Text(text=words):
            return [{"type": "text", "text": words} | _cache(part.cache)]
        case Image(source=source):
            return [{"type": "image_url", "image_url": {"url": _url(source)}} | _cache(part.cache)]
        case Document(source=source, title=title, context=context):
            before = [{"type": "text", "text": context}] if context else []
            file = {"filename": title, "file_data": _url(source)}
            return [*before, {"type": "file", "file": file} | _cache(part.cache)]
        case _:
            raise TypeError(part)


def _url(source: Inline | Link | Text) -> str:
    match source:
        case Inline(media_type=media_type, data=data):
            return f"data:{media_type};base64,{data}"
        case Link(url=url):
            return url
        case Text(text=words):
            return f"data:text/plain;base64,{base64.b64encode(words.encode()).decode()}"
