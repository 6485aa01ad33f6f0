"""The fake OpenAI's Responses API: checks requests and builds answers, unary and streamed.

Pure functions from a body and a Behaviour to values, which validate against the SDK's response types.
Not imitated: stored responses, built-in tools, background mode, redacted thinking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tools.fake_upstream import fits
from tools.fake_upstream.behaviour import Behaviour, plan
from tools.fake_upstream.parts import Call, Part, Text, Thinking, call_ids, is_foreign, signature_of
from tools.fake_upstream.validate import problems
from tools.fake_upstream.vendors import Answer, compact, error_words, pieces

PATH = "/v1/responses"
COUNT = "/v1/responses/input_tokens"
COUNTED = "openai.types.responses.input_token_count_params:InputTokenCountParams"
UNARY = "openai.types.responses.response_create_params:ResponseCreateParamsNonStreaming"
STREAMING = "openai.types.responses.response_create_params:ResponseCreateParamsStreaming"
LONGEST_ID = 64
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "tool_search_call": "tsc",
    "local_shell_call": "lsh",
    "shell_call": "sh",
    "apply_patch_call": "apc",
    "computer_call": "cu",
    "image_generation_call": "ig",
}
"""By type of item, how its ids begin."""
# Call type -> the field of its arguments, and the stem of the events that carry them.
WRITTEN = {
    "function_call": ("arguments", "function_call_arguments"),
    "custom_tool_call": ("input", "custom_tool_call_input"),
}

# What the SDK's types require and the vendor does not: of items, tools and parts by type, and of earlier answers.
_OPTIONAL: dict[str, dict[str, Any]] = {
    "reasoning": {"id": "rs_"},
    "function": {"strict": False, "parameters": None},
    "output_text": {"annotations": []},
    "input_image": {"detail": "auto"},
}
_ANSWER = {"type": "message", "id": "msg_", "status": "completed"}
# Codex sends fields that OpenAI's SDK does not publish: this one, ids of the client's own messages, null as the content
# of reasoning, the content types of a web search, and a note in any item.
UNPUBLISHED = ("client_metadata",)
NOTE = "internal_chat_message_metadata_passthrough"

Event = dict[str, Any]


def body_problems(body: dict[str, Any], *, counting: bool = False) -> tuple[str, ...]:
    type_name = COUNTED if counting else STREAMING if body.get("stream") is True else UNARY
    items = body["input"] if isinstance(body.get("input"), list) else []
    given = {"input": items, "tools": body.get("tools") or []}
    published = body | {name: [_published(item) for item in found] for name, found in given.items() if found}
    if found := problems(type_name, compact(published), allow=UNPUBLISHED):
        return found
    functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    fitting = fits.openai_problems([(tool["name"], tool.get("parameters")) for tool in functions])
    return (*_foreign_thinking(items), *_unpaired_calls(items), *_strange_ids(items), *fitting)


def _strange_ids(items: list[Any]) -> Iterator[str]:
    for index, item in enumerate(items):
        if len(item.get("call_id") or "") > LONGEST_ID:
            yield f"input[{index}].call_id: string too long, expected at most {LONGEST_ID}"
        prefix = _PREFIXES.get(item.get("type") or ("message" if "role" in item else ""), "")
        if (name := item.get("id")) is not None and not (name.startswith(prefix) and _ID.fullmatch(name)):
            yield f"Invalid 'input[{index}].id': '{name}'. Expected an ID that begins with '{prefix}'."


def answer(body: dict[str, Any], behaviour: Behaviour, serial: int, created: int) -> Answer:
    kinds = {name: (kind, space) for name, kind, space in _tools(_offered(body))}
    parts = plan(behaviour, next((name for name, (kind, _) in kinds.items() if kind == "function"), None))
    items = [
        _item(part, f"{serial:08d}_{index}", identity, kinds)
        for index, (part, identity) in enumerate(zip(parts, call_ids(parts, f"call_{serial:08d}"), strict=True))
    ]
    base: dict[str, Any] = {
        "id": f"resp_{serial:08d}",
        "object": "response",
        "created_at": created,
        "model": body.get("model"),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
    }
    reason = behaviour.stop_reason
    end = {"status": "incomplete" if reason else "completed", "output": items, "usage": _usage(behaviour)}
    whole = base | end | ({"incomplete_details": {"reason": reason}} if reason else {})
    if body.get("stream") is not True:
        return Answer(compact(whole))
    begun = base | {"status": "in_progress", "output": [], "usage": None}
    events = list(_events(begun, whole))
    opening = next((number for number, event in enumerate(events) if event["type"].endswith(".delta")), 2)
    numbered = (event | {"sequence_number": number} for number, event in enumerate(events))
    return Answer(frames=tuple(map(_frame, numbered)), opening=opening)


def count(behaviour: Behaviour) -> Answer:
    read = behaviour.input_tokens + behaviour.cached_tokens + behaviour.cache_write_tokens
    return Answer(compact({"object": "response.input_tokens", "input_tokens": read}))


def error_frame(behaviour: Behaviour, code: str | None) -> bytes:
    """The vendor's error event in the middle of a stream."""
    words = error_words(behaviour)
    event = {"type": "error", "code": behaviour.error_code or code or "server_error", "message": words, "param": None}
    return _frame(event | {"sequence_number": 0})


def _published(item: Any) -> Any:
    match item:
        case {"type": "message", "role": "user" | "developer" | "system"}:
            unknown: tuple[str, ...] = ("id", NOTE)
        case {"type": "reasoning", "content": None}:
            unknown = ("content", NOTE)
        case {"type": "web_search"}:
            unknown = ("search_content_types",)
        case dict():
            unknown = (NOTE,)
        case _:
            return item
    known = {name: value for name, value in item.items() if name not in unknown}
    if isinstance(item.get("content"), list):
        # Clients write an earlier answer as text alone.
        answer = _ANSWER if item.get("role") == "assistant" else {}
        known = answer | known | {"content": [_OPTIONAL.get(part.get("type"), {}) | part for part in item["content"]]}
    return _OPTIONAL.get(known.get("type", ""), {}) | known


def _offered(body: dict[str, Any]) -> list[dict[str, Any]]:
    items = body["input"] if isinstance(body.get("input"), list) else []
    later = [tool for item in items if item.get("type") == "additional_tools" for tool in item["tools"]]
    return [*(body.get("tools") or []), *later]


def _tools(tools: list[dict[str, Any]]) -> Iterator[tuple[str, str, str | None]]:
    """Name, type and namespace of every tool that the model can call by name."""
    for tool in tools:
        if tool["type"] == "namespace":
            yield from ((inner["name"], inner["type"], tool["name"]) for inner in tool["tools"])
        elif "name" in tool:
            yield tool["name"], tool["type"], None


def _item(part: Part, number: str, call_id: str, kinds: dict[str, tuple[str, str | None]]) -> dict[str, Any]:
    match part:
        case Text(text):
            content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
            head = {"id": f"msg_{number}", "type": "message", "status": "completed", "role": "assistant"}
            return head | {"content": content}
        case Thinking(text):
            signed = {"encrypted_content": signature_of(part, "responses")}
            return {"id": f"rs_{number}", "type": "reasoning", "summary": [_summary(text)], **signed}
        case Call(name, arguments):
            kind, space = kinds.get(name, ("function", None))
            call = {"call_id": call_id, "name": name} | ({"namespace": space} if space else {})
            if kind == "custom":
                return {"id": f"ctc_{number}", "type": "custom_tool_call", "input": arguments, **call}
            head = {"id": f"fc_{number}", "type": "function_call", "status": "completed"}
            return head | {"arguments": arguments, **call}


def _events(begun: dict[str, Any], whole: dict[str, Any]) -> Iterator[Event]:
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index}
        status = {"status": "in_progress"} if "status" in item else {}
        match item["type"]:
            case "message":
                empty: dict[str, Any] = {"content": []}
                middle = _message_events(item, place | {"item_id": item["id"], "content_index": 0})
            case "reasoning":
                empty = {"summary": []}
                middle = _reasoning_events(item, place | {"item_id": item["id"], "summary_index": 0})
            case kind:
                empty = {WRITTEN[kind][0]: ""}
                middle = _call_events(item, place | {"item_id": item["id"]})
        yield {"type": "response.output_item.added", "item": item | empty | status, **place}
        yield from middle
        yield {"type": "response.output_item.done", "item": item, **place}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _message_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[Event]:
    part = item["content"][0]
    yield {"type": "response.content_part.added", "part": part | {"text": ""}, **place}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", "delta": piece, "logprobs": [], **place}
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": [], **place}
    yield {"type": "response.content_part.done", "part": part, **place}


def _reasoning_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[Event]:
    part = item["summary"][0]
    yield {"type": "response.reasoning_summary_part.added", "part": _summary(""), **place}
    for piece in pieces(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", "delta": piece, **place}
    yield {"type": "response.reasoning_summary_text.done", "text": part["text"], **place}
    yield {"type": "response.reasoning_summary_part.done", "part": part, **place}


def _call_events(item: dict[str, Any], place: dict[str, Any]) -> Iterator[Event]:
    key, stem = WRITTEN[item["type"]]
    for piece in pieces(item[key]):
        yield {"type": f"response.{stem}.delta", "delta": piece, **place}
    named = {"name": item["name"]} if key == "arguments" else {}
    yield {"type": f"response.{stem}.done", key: item[key], **named, **place}


def _summary(text: str) -> dict[str, str]:
    return {"type": "summary_text", "text": text}


def _usage(behaviour: Behaviour) -> dict[str, Any]:
    read = behaviour.input_tokens + behaviour.cached_tokens + behaviour.cache_write_tokens
    cache = {"cached_tokens": behaviour.cached_tokens, "cache_write_tokens": behaviour.cache_write_tokens}
    return {
        "input_tokens": read,
        "input_tokens_details": cache,
        "output_tokens": behaviour.output_tokens,
        "output_tokens_details": {"reasoning_tokens": behaviour.reasoning_tokens},
        "total_tokens": read + behaviour.output_tokens,
    }


def _foreign_thinking(items: list[dict[str, Any]]) -> Iterator[str]:
    for index, item in enumerate(items):
        if item.get("type") == "reasoning" and item.get("content"):
            yield f"Invalid 'input[{index}].content': array too long. Expected an array with maximum length 0."
        if item.get("type") == "reasoning" and is_foreign(item.get("encrypted_content") or "", "responses"):
            yield f"input.{index}.encrypted_content: The encrypted content could not be verified."


def _unpaired_calls(items: list[dict[str, Any]]) -> Iterator[str]:
    """Problems with calls without output, and outputs without call."""
    for kind in WRITTEN:
        calls = {item["call_id"] for item in items if item.get("type") == kind}
        outputs = {item["call_id"] for item in items if item.get("type") == f"{kind}_output"}
        yield from (f"input: No tool output found for function call {name}." for name in sorted(calls - outputs))
        yield from (f"input: No tool call found for function call output {name}." for name in sorted(outputs - calls))


def _frame(event: Event) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), compact(event))
