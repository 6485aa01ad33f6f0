"""Chat requests with parts of other dialects, as Cursor's own-key mode sends them, in the form of this dialect.

Cursor sends every request of a custom model to chat completions and reads chat completions, but chooses the request's
form by the name of the model and the mode: a whole Responses request (``input``, flat tools), or messages with
Anthropic's blocks and tools (``tool_use``, ``tool_result``, ``input_schema``), also mixed with forms of this dialect.
Other requests are not touched. Reasoning is left out: an answer of this dialect contains none in these forms. Sources:
LiteLLM's and Bifrost's pages on Cursor and the reports behind them (litellm #34029); openai.types.responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import Body, objects_in
from nexus.protocols.dialect import ClientRequest
from nexus.wire import Json, encode, mapping, only, sequence, text

_RESPONSES = ("input", "instructions", "include", "truncation", "reasoning", "text", "max_output_tokens")
"""Fields of a Responses request that are read here, or have no effect on an answer of this dialect."""

_CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}


def as_chat_request(request: ClientRequest) -> ClientRequest:
    """Raises InvalidRequest, UnsupportedFeature."""
    given = request.document
    whole = bool(given.get("input")) and not given.get("messages")
    messages, tools = sequence(given.get("messages")), sequence(given.get("tools"))
    # Without a function call for each message and tool, of which agents send many.
    contents = [one["content"] for one in messages if one.__class__ is dict and "content" in one]
    blocks = any(map(_has_call, [content for content in contents if content.__class__ is list]))
    others = [tool for tool in tools if tool.__class__ is dict and "function" not in tool and "custom" not in tool]
    if not (whole or blocks or any(map(_named_at_top, others))):
        return request
    document = dict(given)
    if whole:
        document = _from_responses(document)
    elif blocks:
        document["messages"] = [
            turn for message, _ in objects_in(document.get("messages"), "messages") for turn in _turns(message)
        ]
    if document.get("tools"):
        document["tools"] = [_tool(tool) for tool, _ in objects_in(document["tools"], "tools")]
    if isinstance(document.get("tool_choice"), dict):
        document["tool_choice"] = _choice(mapping(document["tool_choice"]))
    # The words may also be those of a tool's schema: then the client's bytes pass as they are.
    return request if document == given else replace(request, body=encode(document), document=document)


def _has_call(content: Sequence[Json]) -> bool:
    """Whether a message's content has Anthropic's blocks of calls or results."""
    return any(mapping(block).get("type") in ("tool_use", "tool_result") for block in content)


def _named_at_top(tool: Json) -> bool:
    """Whether it is a function or a custom tool whose members are not in an object of that name."""
    wire = mapping(tool)
    kind = wire.get("type", "function")
    return kind in ("function", "custom") and isinstance(wire.get("name"), str) and not mapping(wire.get(str(kind)))


def _tool(tool: Body) -> Body:
    if not _named_at_top(tool):
        return tool
    named = {"name": tool["name"], "description": tool.get("description")}
    kept = {"cache_control": tool.get("cache_control")}
    if tool.get("type") == "custom" and tool.get("input_schema") is None:
        form = mapping(tool.get("format"))
        grammar = {name: form[name] for name in ("syntax", "definition") if name in form}
        format = {"type": "grammar", "grammar": grammar} if form.get("type") == "grammar" else form
        return only({"type": "custom", "custom": only({**named, "format": format or None}), **kept})
    parameters = tool.get("parameters", tool.get("input_schema"))
    function = only({**named, "parameters": parameters, "strict": tool.get("strict")})
    return only({"type": "function", "function": function, **kept})


def _choice(choice: Body) -> Json:
    kind = choice.get("type")
    match kind:
        case "auto" | "none":
            return kind
        case "any":
            return "required"
        case "tool":
            return {"type": "function", "function": {"name": choice.get("name")}}
        case "function" | "custom" if "name" in choice:
            return {"type": kind, kind: {"name": choice["name"]}}
        case _:
            return choice


def _from_responses(document: Body) -> dict[str, Json]:
    if document.get("previous_response_id") is not None:
        raise UnsupportedFeature.about(
            "previous_response_id", "chat completions has no stored answers; send the whole conversation"
        )
    given = document["input"]
    turns: list[Body] = [{"role": "user", "content": given}] if isinstance(given, str) else list(_items(given))
    if document.get("instructions"):
        turns.insert(0, {"role": "system", "content": document["instructions"]})
    kept = {name: value for name, value in document.items() if name not in (*_RESPONSES, "messages")}
    shape = mapping(document.get("text"))
    return kept | only(
        {
            "messages": turns,
            "reasoning_effort": mapping(document.get("reasoning")).get("effort"),
            "response_format": _format(mapping(shape.get("format"))),
            "verbosity": shape.get("verbosity"),
            "max_completion_tokens": document.get("max_output_tokens"),
        }
    )


def _format(format: Body) -> Json:
    if format.get("type") != "json_schema":
        return dict(format) or None
    return {"type": "json_schema", "json_schema": {name: value for name, value in format.items() if name != "type"}}


def _items(given: Json) -> Iterator[Body]:
    """The turns of ``input``, with the calls of one turn in one message."""
    for are_calls, group in groupby(objects_in(given, "input"), lambda one: text(one[0].get("type")) in _CALLS):
        if are_calls:
            yield {"role": "assistant", "content": None, "tool_calls": [_call_of_item(item) for item, _ in group]}
            continue
        for item, path in group:
            match text(item.get("type")) or "message":
                case "message":
                    yield from _turns({name: item[name] for name in ("role", "content") if name in item})
                case "function_call_output" | "custom_tool_call_output":
                    yield _result(item.get("call_id"), item.get("output"))
                case "reasoning":
                    pass
                case kind:
                    raise UnsupportedFeature.about(path, f"items of type {kind} cannot be sent to chat completions")


def _call_of_item(item: Body) -> Json:
    kind, given = _CALLS[item["type"]]
    return {"id": item.get("call_id"), "type": kind, kind: {"name": item.get("name"), given: item.get(given)}}


def _turns(message: Body) -> Iterator[Body]:
    """A message of any dialect: results first, then what else the user says."""
    content = message.get("content")
    blocks = [mapping(block) for block in sequence(content)]
    if not any(block.get("type") in _FOREIGN for block in blocks):
        yield message
        return
    for block in blocks:
        if block.get("type") == "tool_result":
            yield _result(block.get("tool_use_id"), block.get("content"))
    rest = _parts(blocks)
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    if rest or calls:
        more = {"tool_calls": [*sequence(message.get("tool_calls")), *calls] or None}
        yield {**message, "content": rest or None, **only(more)}


def _call(block: Body) -> Json:
    arguments = encode(block.get("input") or {}).decode()
    return {"id": block.get("id"), "type": "function", "function": {"name": block.get("name"), "arguments": arguments}}


def _result(call_id: Json, content: Json) -> Body:
    parts: Json = _parts([mapping(block) for block in content]) if isinstance(content, list) else content
    return {"role": "tool", "tool_call_id": call_id, "content": parts or ""}


def _parts(blocks: Sequence[Body]) -> list[Json]:
    """Content parts of this dialect; unknown ones stay as they are, and are later refused by their type."""
    return [_part(block) for block in blocks if block.get("type") not in _ELSEWHERE]


_ELSEWHERE = ("tool_use", "tool_result", "thinking", "redacted_thinking")
_FOREIGN = frozenset({*_ELSEWHERE, "input_text", "output_text", "input_image", "input_file", "image"})


def _part(block: Body) -> Json:
    kept = {name: block[name] for name in ("cache_control",) if name in block}
    match block.get("type"):
        case "input_text" | "output_text":
            return {"type": "text", "text": block.get("text"), **kept}
        case "input_image":
            return {
                "type": "image_url",
                "image_url": only({"url": block.get("image_url"), "detail": block.get("detail")}),
            }
        case "image":
            source = mapping(block.get("source"))
            inline = f"data:{text(source.get('media_type'))};base64,{text(source.get('data'))}"
            return {"type": "image_url", "image_url": {"url": source.get("url") or inline}, **kept}
        case "input_file":
            return {"type": "file", "file": {name: value for name, value in block.items() if name != "type"}}
        case _:
            return dict(block)
