"""The fake OpenAI: chat completions, unary and streamed, and the model list; calls ``responses`` and ``endpoints``.

Pure functions from a request and a Behaviour to bytes, which validate against the SDK's response types. Not imitated:
signatures of thinking, because the dialect has no field for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.fake_upstream import endpoints, fits, gpt, pairs, responses
from tools.fake_upstream.behaviour import Behaviour, plan
from tools.fake_upstream.parts import Call, Text, Thinking, call_ids
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.validate import problems, validator
from tools.fake_upstream.vendors import Answer, Refusal, Rules, bearer_token, body_problem, compact, error_words, pieces

REQUEST_ID_HEADER = "x-request-id"
BASE_PATH = "/v1"
TOKEN_PATHS: tuple[str, ...] = ()
MODELS = ("gpt-4", "gpt-4o", "gpt-3.5-turbo")
CREATED = 1_700_000_000
CHAT = "/v1/chat/completions"
UNARY = "openai.types.chat.completion_create_params:CompletionCreateParamsNonStreaming"
STREAMING = "openai.types.chat.completion_create_params:CompletionCreateParamsStreaming"
DONE = b"data: [DONE]\n\n"

# status -> type, code
ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
}


def warm_up() -> None:
    validator(UNARY)
    validator(STREAMING)


def request_id(serial: int) -> str:
    return f"req_{serial:032x}"


def check(request: SeenRequest, rules: Rules) -> Refusal | None:
    is_models = request.route == "/v1/models" or request.route.startswith("/v1/models/")
    known = (CHAT, responses.PATH, responses.COUNT, *endpoints.PATHS)
    if not is_models and request.route not in known:
        return Refusal(404, (f"{request.path}: no such path",), error_code="unknown_url")
    allowed = "GET" if is_models else "POST"
    if request.method != allowed:
        return Refusal(405, (f"{request.method} {request.path}: only {allowed}",), (("allow", allowed),))
    if refusal := _check_key(bearer_token(request), rules.api_key):
        return refusal
    if is_models:
        return None
    if request.route in endpoints.PATHS:
        found = endpoints.body_problems(request) if rules.strict else ()
        return Refusal(400, found) if found else None
    if problem := body_problem(request):
        return Refusal(400, (problem,))
    if rules.strict and (found := _problems(request)):
        return Refusal(400, found)
    return _refused_by_model(request) if rules.strict else None


def _refused_by_model(request: SeenRequest) -> Refusal | None:
    if request.route == responses.COUNT:
        return None
    judge = gpt.responses_problems if request.route == responses.PATH else gpt.chat_problems
    problem = next(judge(request.json), None)
    if problem is None:
        return None
    return Refusal(400, (problem.message,), error_code=problem.code, error_param=problem.param)


def _problems(request: SeenRequest) -> tuple[str, ...]:
    if request.route in (responses.PATH, responses.COUNT):
        return responses.body_problems(request.json, counting=request.route == responses.COUNT)
    body = request.json
    if isinstance(body.get("messages"), list):
        body = body | {"messages": [_published(message) for message in body["messages"]]}
    found = problems(STREAMING if request.streams else UNARY, compact(body))
    tools = (tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function")
    given = [(tool["name"], tool.get("parameters")) for tool in tools] if not found else []
    return found or (*pairs.chat_problems(body["messages"]), *fits.openai_problems(given))


def _published(message: Any) -> Any:
    """The message without what servers accept although the SDK does not publish it.

    That is ``reasoning_content``, of compatible servers, and the name of a tool, which OpenAI's cookbook sends with its
    result ("How to call functions with chat models").
    """
    if not isinstance(message, dict):
        return message
    unpublished = {"reasoning_content"} | ({"name"} if message.get("role") == "tool" else set())
    return {name: value for name, value in message.items() if name not in unpublished or not isinstance(value, str)}


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    if request.method == "GET":
        return Answer(_models(request.route))
    if request.route in endpoints.PATHS:
        return endpoints.answer(request, behaviour, serial)
    if request.route == responses.COUNT:
        return responses.count(behaviour)
    if request.route == responses.PATH:
        return responses.answer(request.json, behaviour, serial, CREATED)
    base = {"id": f"chatcmpl-{serial:08d}", "created": CREATED, "model": request.json.get("model")}
    content = _content_of(request.json, behaviour, serial)
    finish = behaviour.stop_reason or ("tool_calls" if content.calls else "stop")
    if request.streams:
        options = request.json.get("stream_options") or {}
        return _stream(base, behaviour, content, finish, with_usage=options.get("include_usage") is True)
    message: dict[str, Any] = {"role": "assistant", "content": content.text, "refusal": None, "annotations": []}
    if content.thinking:
        message["reasoning_content"] = content.thinking
    if content.calls:
        message["tool_calls"] = content.calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    whole = base | {
        "object": "chat.completion",
        "choices": [choice],
        "usage": _usage(behaviour),
        "service_tier": "default",
        "system_fingerprint": None,
    }
    return Answer(compact(whole))


def error(request: SeenRequest, behaviour: Behaviour, request_id: str) -> Answer:
    return Answer(json.dumps(_error(behaviour), indent=2).encode())


def error_frame(request: SeenRequest, behaviour: Behaviour, request_id: str) -> bytes:
    inner = _error(behaviour)
    if request.route == responses.PATH:
        return responses.error_frame(behaviour, inner["error"]["code"])
    return _frame(inner)


def _check_key(key: str | None, api_key: str | None) -> Refusal | None:
    if key is None:
        return Refusal(401, ("authorization: no bearer token",))
    if api_key is not None and key != api_key:
        return Refusal(401, ("authorization: not the expected key",))
    return None


def _models(route: str) -> bytes:
    _, _, wanted = route.removeprefix("/v1/models").partition("/")
    entries = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "fake-upstream"}
        for name in ((wanted,) if wanted else MODELS)
    ]
    return compact(entries[0] if wanted else {"object": "list", "data": entries})


@dataclass(frozen=True, slots=True)
class _Content:
    """``text`` is None if there are only calls, as in the vendor's answers."""

    text: str | None
    thinking: str
    calls: list[dict[str, Any]]


def _content_of(body: dict[str, Any], behaviour: Behaviour, serial: int) -> _Content:
    """The contents of one message: all texts joined to one string, all calls in one list."""
    tools = (tool["function"]["name"] for tool in body.get("tools") or () if tool.get("type") == "function")
    parts = plan(behaviour, next(tools, None))
    texts = [part.text for part in parts if isinstance(part, Text)]
    calls = [
        {"id": identity, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part, identity in zip(parts, call_ids(parts, f"call_{serial:08d}"), strict=True)
        if isinstance(part, Call)
    ]
    thinking = "".join(part.text for part in parts if isinstance(part, Thinking))
    return _Content("".join(texts) if texts or not calls else None, thinking, calls)


def _stream(base: dict[str, Any], behaviour: Behaviour, content: _Content, finish: str, *, with_usage: bool) -> Answer:
    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _frame(head | {"choices": [choice]} | tail)

    head = base | {"object": "chat.completion.chunk", "service_tier": "default", "system_fingerprint": None}
    # The vendor writes ``"usage": null`` on ordinary chunks only if the request asked for usage.
    tail: dict[str, Any] = {"usage": None} if with_usage else {}
    opening: dict[str, Any] = {"role": "assistant", "content": None if content.text is None else "", "refusal": None}
    deltas = [{"reasoning_content": piece} for piece in pieces(content.thinking)]
    deltas += [{"content": piece} for piece in pieces(content.text or "")]
    calls = [*_call_deltas(content.calls)]
    if calls and not deltas:
        # No text comes before the call, so the vendor sends the call's start together with the role.
        opening |= calls.pop(0)
    frames = [chunk(opening), *map(chunk, [*deltas, *calls]), chunk({}, finish)]
    if with_usage:
        frames.append(_frame(head | {"choices": [], "usage": _usage(behaviour)}))
    return Answer(frames=(*frames, DONE), opening=1)


def _call_deltas(calls: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Deltas with the start of each call and the pieces of its arguments."""
    for index, call in enumerate(calls):
        yield {"tool_calls": [call | {"index": index, "function": call["function"] | {"arguments": ""}}]}
        for piece in pieces(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _usage(behaviour: Behaviour) -> dict[str, Any]:
    prompt = behaviour.input_tokens + behaviour.cached_tokens + behaviour.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": behaviour.output_tokens,
        "total_tokens": prompt + behaviour.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": behaviour.cached_tokens,
            "cache_write_tokens": behaviour.cache_write_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": behaviour.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _error(behaviour: Behaviour) -> dict[str, Any]:
    kind, code = ERRORS.get(behaviour.status, ("invalid_request_error", None))
    if behaviour.status >= 500 or behaviour.status < 400:
        kind = "server_error"
    return {
        "error": {
            "message": error_words(behaviour),
            "type": behaviour.error_type or kind,
            "param": behaviour.error_param,
            "code": behaviour.error_code or code,
        }
    }


def _frame(value: dict[str, Any]) -> bytes:
    return b"data: " + compact(value) + b"\n\n"
