"""Conversations as clients of every dialect write them: user turns by hand, assistant turns returned from answers.

``sayable`` removes what a client cannot express beforehand; nothing is left out silently here.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from nexus.conversation.parts import (
    NOTHING_ASKED,
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
from nexus.protocols import loader
from tests.protocols.kit import envelope

from .items import as_codex
from .kit import Turn, echo, read
from .scripts import is_custom

Wire = dict[str, Any]


def wire_of(client: str, request: Request) -> Wire:
    """The request's body."""
    match client:
        case "chat":
            return _chat(request)
        case "messages":
            return _messages(request)
        case _:
            return _responses(request)


def sayable(client: str, request: Request) -> Request:
    """The conversation without hints that a Responses client cannot express: on tools, on results without parts.

    A hint on another result moves to its last part.
    """
    if client != "responses":
        return request
    tools = tuple(replace(tool, cache=None) for tool in request.tools)
    messages = tuple(replace(message, parts=tuple(map(_hinted, message.parts))) for message in request.messages)
    return replace(request, tools=tools, messages=messages)


def _hinted(part: Part) -> Part:
    if not isinstance(part, ToolResult) or part.cache is None:
        return part
    inside = (*part.parts[:-1], *(replace(last, cache=part.cache) for last in part.parts[-1:]))
    return replace(part, parts=inside, cache=None)


def _assistant(client: str, message: Message, asked: Request = NOTHING_ASKED) -> list[Turn]:
    """The client's copy of an answer, sent back."""
    answer = Response("id1", "m", message.parts, Stop("end"))  # type: ignore[arg-type]
    return echo(client, loader.client(client).write_response(answer, envelope(asked)))


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
            body["messages"] += _assistant("messages", message)
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
                messages += _assistant("chat", message)
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


# Responses


def _responses(request: Request) -> Wire:
    """As Codex sends it: stateless, the history without ids, and the last tool as an input item."""
    tools = list(_codex_tools(request.tools))
    more = [{"type": "additional_tools", "role": "developer", "tools": tools[-1:]}] if len(tools) > 1 else []
    asked = read("responses", {"model": "m", "input": "x", "tools": tools}).request
    said = _Items()
    for block in request.system:
        said.give("developer", (block,))
    for message in request.messages:
        match message.role:
            case "assistant":
                said.items += as_codex(_assistant("responses", message, asked))
            case "system":
                said.give("developer", message.parts)
            case "user":
                said.give("user", message.parts)
    body: Wire = {"model": "m", "input": [*more, *said.items], "store": False, "stream": True}
    body |= {"include": ["reasoning.encrypted_content"], "client_metadata": {"a": "b"}}
    if tools:
        body["tools"] = tools[:-1] if more else tools
    if request.tool_choice is not None:
        body["tool_choice"] = request.tool_choice.mode
    return body


def _codex_tools(tools: Iterable[Tool]) -> Iterator[Wire]:
    """Tools with a namespace are grouped in one entry, which comes last."""
    spaces: dict[str, list[Wire]] = {}
    for tool in tools:
        space, _, name = tool.name.rpartition("__")
        described = {} if tool.description is None else {"description": tool.description}
        if is_custom(tool.name):
            wire: Wire = {"type": "custom", "name": name, **described, "format": {"type": "text"}}
        else:
            wire = {"type": "function", "name": name, **described, "parameters": tool.parameters, "strict": False}
        if space:
            spaces.setdefault(space, []).append(wire)
        else:
            yield wire
    for space, inside in spaces.items():
        yield {"type": "namespace", "name": space, "description": f"about {space}", "tools": inside}


class _Items:
    """The history so far."""

    def __init__(self) -> None:
        self.items: list[Wire] = []

    def give(self, role: str, parts: Iterable[Part]) -> None:
        """Adds what the client itself sends: outputs of calls, and messages with the content between them."""
        rest: list[Wire] = []
        for part in parts:
            if isinstance(part, ToolResult):
                self._message(role, rest)
                rest = []
                self.items.append(self._output(part))
            else:
                rest += _inputs(part)
        self._message(role, rest)

    def _message(self, role: str, content: list[Wire]) -> None:
        match content:
            case []:
                pass
            case [{"type": "input_text", "text": str(words), **more}] if not more and role == "user":
                self.items.append({"role": role, "content": words})
            case _:
                self.items.append({"type": "message", "role": role, "content": content})

    def _output(self, part: ToolResult) -> Wire:
        content = [piece for inner in part.parts for piece in _inputs(inner)]
        call = next(item for item in reversed(self.items) if item.get("call_id") == part.call_id and "name" in item)
        output: Any = content
        if not content or ([*content[0]] == ["type", "text"] and not content[1:]):
            output = "".join(piece["text"] for piece in content)
        return {"type": f"{call['type']}_output", "call_id": part.call_id, "output": output}


def _inputs(part: Part) -> list[Wire]:
    match part:
        case Text(text=words):
            return [{"type": "input_text", "text": words} | _breakpoint(part.cache)]
        case Image(source=source):
            return [{"type": "input_image", "image_url": _url(source), "detail": "auto"} | _breakpoint(part.cache)]
        case Document(source=source, title=title, context=context):
            before = [{"type": "input_text", "text": context}] if context else []
            named = {"filename": title} if title else {}
            where = {"file_url": source.url} if isinstance(source, Link) else {"file_data": _url(source)}
            return [*before, {"type": "input_file"} | named | where | _breakpoint(part.cache)]
        case _:
            raise TypeError(part)


def _breakpoint(hint: CacheHint | None) -> Wire:
    if hint is None:
        return {}
    return {"prompt_cache_breakpoint": {"mode": "explicit"} | ({"ttl": "12h"} if hint == "1h" else {})}
