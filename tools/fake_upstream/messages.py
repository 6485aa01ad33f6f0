"""The Messages dialect of Anthropic, Vertex and Bedrock: checks bodies and builds answers.

Pure functions from a body and a Behaviour to values, which validate against Anthropic's response types.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, dropwhile
from typing import Any

from tools.fake_upstream import fits, pairs
from tools.fake_upstream.behaviour import Behaviour, plan
from tools.fake_upstream.claude_models import model_problems, thinking_problems
from tools.fake_upstream.parts import Call, Part, Text, Thinking, call_ids, is_foreign, signature_of
from tools.fake_upstream.validate import problems, validator
from tools.fake_upstream.vendors import Answer, compact, error_words, pieces

TYPES = "anthropic.types.message_create_params:MessageCreateParams"
BETA_TYPES = "anthropic.types.beta.message_create_params:MessageCreateParams"
COUNT_TYPES = "anthropic.types.message_count_tokens_params:MessageCountTokensParams"
BETA_COUNT_TYPES = "anthropic.types.beta.message_count_tokens_params:MessageCountTokensParams"
# The SDK's parameters include these headers, which are never in a body.
HEADER_PARAMS = ("betas", "user_profile_id", "workspace_id")
NEWEST = "2026-10-21"
"""The version whose types the SDK has. Source: platform.claude.com, "Migrating to API version 2026-10-21"."""
SAMPLING = ("temperature", "top_p", "top_k")
"""Fields that only earlier versions accept."""
COUNTED = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")

ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def warm_up() -> None:
    validator(TYPES + "NonStreaming")
    validator(TYPES + "Streaming")


def body_problems(
    body: dict[str, Any],
    *,
    beta: bool,
    counting: bool = False,
    allow: tuple[str, ...] = (),
    bedrock: bool = False,
    version: str = "2023-06-01",
) -> tuple[str, ...]:
    """Problems of ``body`` with the SDK's types, its model, its tools and pairs, and with other fakes' thinking."""
    if version == NEWEST:
        if found := tuple(_newly_refused(body)):
            return found
    elif not counting:
        allow = (*allow, *SAMPLING)
    stray = tuple(f"{name}: is a header, not a body field" for name in HEADER_PARAMS if name in body)
    if stray:
        return stray
    if counting:
        type_name = BETA_COUNT_TYPES if beta else COUNT_TYPES
    else:
        suffix = "Streaming" if body.get("stream") is True else "NonStreaming"
        type_name = (BETA_TYPES if beta else TYPES) + suffix
    if found := problems(type_name, compact(body), allow=allow):
        return found
    by_model = model_problems(body, str(body.get("model")), bedrock=bedrock)
    tools = fits.claude_problems(body.get("tools") or [])
    pairing = pairs.messages_problems(body["messages"])
    return (*by_model, *_foreign_thinking(body), *pairing, *tools, *_cache_order(body))


def _cache_order(body: dict[str, Any]) -> Iterator[str]:
    contents = [message["content"] for message in body["messages"]]
    blocks = [
        *(body.get("tools") or ()),
        *chain(*(one for one in (body.get("system"), *contents) if type(one) is list)),
    ]
    hints = (block["cache_control"] for block in blocks if block.get("cache_control"))
    if any(hint.get("ttl") == "1h" for hint in dropwhile(lambda hint: hint.get("ttl") == "1h", hints)):
        yield "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"


def _newly_refused(body: dict[str, Any]) -> Iterator[str]:
    for turn, message in enumerate(body.get("messages") or ()):
        for index, block in enumerate(message["content"] if isinstance(message.get("content"), list) else ()):
            place = f"messages.{turn}.content.{index}"
            if message.get("role") == "assistant" and block.get("type") == "document":
                yield f"{place}: `document` blocks are not allowed in assistant messages"
            if message.get("role") == "user" and block.get("type") == "text" and block.get("citations"):
                yield f"{place}.citations: not allowed in user messages"


def hosted_problems(body: dict[str, Any], model: str) -> Iterator[str]:
    """Problems with features that only Anthropic's own API has, and with unsupported thinking modes. The fake Anthropic
    does not check those modes, because in passthrough Nexus leaves such an error to the client."""
    yield from thinking_problems(body, model)
    if (body.get("thinking") or {}).get("display") == "updates":
        yield "thinking.display: Input should be 'summarized' or 'omitted'"
    for turn, message in enumerate(body.get("messages") or ()):
        for name in message:
            if name not in ("role", "content"):
                yield f"messages.{turn}.{name}: Extra inputs are not permitted"
        if "content" not in message:
            yield f"messages.{turn}.content: Field required"
        for index, block in enumerate(message["content"] if isinstance(message.get("content"), list) else ()):
            if block.get("type") in ("tool_addition", "tool_removal"):
                yield f"messages.{turn}.content.{index}: Input tag '{block['type']}' does not match any expected tag"
    yield from _linked(body.get("messages"), "messages")


def _linked(value: Any, place: str) -> Iterator[str]:
    """Problems with sources by URL or file id: clouds fetch no URLs and have no Files API."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _linked(item, f"{place}.{index}")
    elif isinstance(value, dict):
        source = value.get("source")
        if (
            value.get("type") in ("image", "document")
            and isinstance(source, dict)
            and source.get("type") in ("url", "file")
        ):
            yield f"{place}.source.type: {source['type']} sources are not supported"
        yield from _linked(value.get("content"), f"{place}.content")
        yield from _linked(source.get("content") if isinstance(source, dict) else None, f"{place}.source.content")


def message(body: dict[str, Any], model: Any, behaviour: Behaviour, serial: int) -> dict[str, Any]:
    parts = plan(behaviour, next((tool["name"] for tool in body.get("tools") or () if "name" in tool), None))
    called = any(isinstance(part, Call) for part in parts)
    return {
        "id": f"msg_{serial:024d}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [
            _block(part, identity)
            for part, identity in zip(parts, call_ids(parts, f"toolu_{serial:020d}"), strict=True)
        ],
        "stop_reason": behaviour.stop_reason or ("tool_use" if called else "end_turn"),
        "stop_sequence": None,
        "usage": usage(behaviour),
    }


def events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The stream that adds up to ``whole``, a result of ``message``; three events come before the first delta."""
    used = whole["usage"]
    public = [_public(block) for block in whole["content"]]
    yield {
        "type": "message_start",
        "message": whole
        | {"content": [], "stop_reason": None, "stop_sequence": None}
        | {"usage": used | {"output_tokens": 1}},
    }
    for index, block in enumerate(public):
        shell, deltas = _unfold(block, whole["content"][index])
        yield {"type": "content_block_start", "index": index, "content_block": shell}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    yield {"type": "message_delta", "delta": end, "usage": {name: used[name] for name in COUNTED}}
    yield {"type": "message_stop"}


def unary(whole: dict[str, Any]) -> bytes:
    return compact(whole | {"content": [_public(block) for block in whole["content"]]})


def stream(whole: dict[str, Any]) -> Answer:
    return Answer(frames=tuple(frame(event) for event in events(whole)), opening=OPENING)


OPENING = 3


def frame(value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(value["type"]).encode(), compact(value))


def error(behaviour: Behaviour, request_id: str) -> dict[str, Any]:
    # A stream's status is 200, so the error's kind is unset: overload is the vendor's most frequent in-band error.
    kind = "overloaded_error" if behaviour.status < 400 else ERRORS.get(behaviour.status, "api_error")
    words = error_words(behaviour)
    inner = {"type": behaviour.error_type or kind, "message": words}
    return {"type": "error", "error": inner, "request_id": request_id}


def count(behaviour: Behaviour) -> dict[str, Any]:
    return {"input_tokens": behaviour.input_tokens + behaviour.cached_tokens + behaviour.cache_write_tokens}


def usage(behaviour: Behaviour) -> dict[str, Any]:
    return {
        "input_tokens": behaviour.input_tokens,
        "cache_creation_input_tokens": behaviour.cache_write_tokens,
        "cache_read_input_tokens": behaviour.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": behaviour.cache_write_tokens, "ephemeral_1h_input_tokens": 0},
        "output_tokens": behaviour.output_tokens,
        "service_tier": "standard",
    }


def _foreign_thinking(body: dict[str, Any]) -> Iterator[str]:
    for turn, message in enumerate(body["messages"]):
        blocks = message["content"] if isinstance(message["content"], list) else []
        for index, block in enumerate(blocks):
            if block["type"] == "thinking" and is_foreign(block["signature"], "anthropic"):
                yield f"messages.{turn}.content.{index}: Invalid `signature` in `thinking` block"


def _block(part: Part, identity: str) -> dict[str, Any]:
    """``_written`` is a call's arguments as the model wrote them, which a stream carries even if they are invalid."""
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Thinking(text):
            return {"type": "thinking", "thinking": text, "signature": signature_of(part, "anthropic")}
        case Call(name, arguments):
            return {"type": "tool_use", "id": identity, "name": name, "input": part.value or {}, "_written": arguments}


def _public(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "_written"}


def _unfold(block: dict[str, Any], written: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block at its start, and the deltas that complete it."""
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
            if block["signature"]:
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return block | {"thinking": "", "signature": ""}, deltas
        case "tool_use":
            parts = ["", *pieces(written["_written"])]
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
