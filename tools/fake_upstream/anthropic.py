"""The fake Anthropic: messages, unary and streamed, and the token counter.

Law: pure functions from a request and a Behaviour to bytes; what they emit validates with the SDK's response types.
"""

from __future__ import annotations

import json
from typing import Any

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.validate import problems, validator
from tools.fake_upstream.vendors import Answer, Refusal, Rules, body_problem, compact, pieces, text_or

REQUEST_ID_HEADER = "request-id"
MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
TYPES = "anthropic.types.message_create_params:MessageCreateParams"
BETA_TYPES = "anthropic.types.beta.message_create_params:MessageCreateParams"
COUNT_TYPES = "anthropic.types.message_count_tokens_params:MessageCountTokensParams"
BETA_COUNT_TYPES = "anthropic.types.beta.message_count_tokens_params:MessageCountTokensParams"
# The SDK's parameters include these headers, which never are in a body.
HEADER_PARAMS = ("betas", "user_profile_id", "workspace_id")

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


def request_id(serial: int) -> str:
    return f"req_{serial:024d}"


def check(request: SeenRequest, rules: Rules) -> Refusal | None:
    if request.route not in (MESSAGES, COUNT):
        return Refusal(404, (f"{request.path}: no such path",))
    if request.method != "POST":
        return Refusal(405, (f"{request.method} {request.path}: only POST",), (("allow", "POST"),))
    if refusal := _check_key(request, rules.api_key):
        return refusal
    if request.header("anthropic-version") is None:
        return Refusal(400, ("anthropic-version: header is required",))
    if problem := body_problem(request):
        return Refusal(400, (problem,))
    if rules.strict and (found := _body_problems(request, rules.extra_fields)):
        return Refusal(400, found)
    return None


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    if request.route == COUNT:
        total = behaviour.input_tokens + behaviour.cached_tokens + behaviour.cache_write_tokens
        return Answer(compact({"input_tokens": total}))
    blocks = _blocks(request.json, behaviour, serial)
    message = {
        "id": f"msg_{serial:024d}",
        "type": "message",
        "role": "assistant",
        "model": request.json.get("model"),
        "content": blocks,
        "stop_reason": behaviour.stop_reason or ("tool_use" if behaviour.tool_call else "end_turn"),
        "stop_sequence": None,
        "usage": _usage(behaviour),
    }
    if request.streams:
        return _stream(message, blocks, behaviour)
    return Answer(compact(message))


def error_body(behaviour: Behaviour, request_id: str) -> bytes:
    return json.dumps(_error(behaviour) | {"request_id": request_id}).encode()


def error_frame(behaviour: Behaviour, request_id: str) -> bytes:
    return _frame(_error(behaviour) | {"request_id": request_id})


def _check_key(request: SeenRequest, api_key: str | None) -> Refusal | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    keys = [request.header("x-api-key"), token if scheme.lower() == "bearer" else None]
    given = [key for key in keys if key]
    if not given:
        return Refusal(401, ("x-api-key: header is required",))
    if api_key is not None and any(key != api_key for key in given):
        return Refusal(401, ("x-api-key: not the expected key",))
    return None


def _body_problems(request: SeenRequest, allow: tuple[str, ...]) -> tuple[str, ...]:
    beta = "beta=true" in request.query.split("&") or request.header("anthropic-beta") is not None
    stray = tuple(f"{name}: is a header, not a body field" for name in HEADER_PARAMS if name in request.json)
    if stray:
        return stray
    if request.route == COUNT:
        return problems(BETA_COUNT_TYPES if beta else COUNT_TYPES, request.body, allow=allow)
    suffix = "Streaming" if request.streams else "NonStreaming"
    return problems((BETA_TYPES if beta else TYPES) + suffix, request.body, allow=allow)


def _blocks(body: dict[str, Any], behaviour: Behaviour, serial: int) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if behaviour.thinking:
        blocks.append({"type": "thinking", "thinking": behaviour.thinking, "signature": "ZmFrZS1zaWduYXR1cmU="})
    if behaviour.tool_call:
        name = next((tool["name"] for tool in body.get("tools") or () if "name" in tool), "get_weather")
        # A stream carries the arguments as they are, broken ones too.
        arguments = {} if body.get("stream") else json.loads(behaviour.tool_arguments)
        blocks.append({"type": "tool_use", "id": f"toolu_{serial:020d}", "name": name, "input": arguments})
    else:
        blocks.append({"type": "text", "text": behaviour.text})
    return blocks


def _stream(message: dict[str, Any], blocks: list[dict[str, Any]], behaviour: Behaviour) -> Answer:
    usage = message["usage"]
    empty = message | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    frames = [_frame({"type": "message_start", "message": empty})]
    for index, block in enumerate(blocks):
        shell, deltas = _unfold(block, behaviour)
        frames.append(_frame({"type": "content_block_start", "index": index, "content_block": shell}))
        if index == 0:
            frames.append(_frame({"type": "ping"}))
        frames += [_frame({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
        frames.append(_frame({"type": "content_block_stop", "index": index}))
    counted = {
        name: usage[name]
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    }
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    frames.append(_frame({"type": "message_delta", "delta": end, "usage": counted}))
    frames.append(_frame({"type": "message_stop"}))
    return Answer(frames=tuple(frames), opening=3)


def _unfold(block: dict[str, Any], behaviour: Behaviour) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block as it starts, and the deltas that complete it."""
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return block | {"thinking": "", "signature": ""}, deltas
        case "tool_use":
            parts = ["", *pieces(behaviour.tool_arguments)]
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]


def _usage(behaviour: Behaviour) -> dict[str, Any]:
    return {
        "input_tokens": behaviour.input_tokens,
        "cache_creation_input_tokens": behaviour.cache_write_tokens,
        "cache_read_input_tokens": behaviour.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": behaviour.cache_write_tokens,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": behaviour.output_tokens,
        "service_tier": "standard",
    }


def _error(behaviour: Behaviour) -> dict[str, Any]:
    # An in-band error has status 200 in its head; overload is what the vendor sends most often there.
    kind = "overloaded_error" if behaviour.status < 400 else ERRORS.get(behaviour.status, "api_error")
    message = text_or(behaviour.message, behaviour.status)
    return {"type": "error", "error": {"type": behaviour.error_type or kind, "message": message}}


def _frame(value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(value["type"]).encode(), compact(value))
