"""The fake Anthropic: messages, unary and streamed, and the token counter.

Pure functions from a request and a Behaviour to bytes, which validate against the SDK's response types.
"""

from __future__ import annotations

import json

from tools.fake_upstream import messages
from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Answer, Refusal, Rules, bearer_token, body_problem, compact

REQUEST_ID_HEADER = "request-id"
BASE_PATH = "/v1"
TOKEN_PATHS: tuple[str, ...] = ()
MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"


warm_up = messages.warm_up


def request_id(serial: int) -> str:
    return f"req_{serial:024d}"


SAFEGUARDS = "dangerous-tool-use-2026-09-03"
"""The beta with which the vendor checks tool calls."""


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
    if rules.strict:
        betas = request.header("anthropic-beta")
        beta = "beta=true" in request.query.split("&") or betas is not None
        counting = request.route == COUNT
        version = request.header("anthropic-version") or ""
        # Claude Code's auto mode sends this, which the SDK does not publish.
        allow = ("safeguards",) if SAFEGUARDS in (betas or "") else ()
        if found := messages.body_problems(request.json, beta=beta, counting=counting, allow=allow, version=version):
            return Refusal(400, found)
    return None


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    if request.route == COUNT:
        return Answer(compact(messages.count(behaviour)))
    whole = messages.message(request.json, request.json.get("model"), behaviour, serial)
    return messages.stream(whole) if request.streams else Answer(messages.unary(whole))


def error(request: SeenRequest, behaviour: Behaviour, request_id: str) -> Answer:
    return Answer(json.dumps(messages.error(behaviour, request_id)).encode())


def error_frame(request: SeenRequest, behaviour: Behaviour, request_id: str) -> bytes:
    return messages.frame(messages.error(behaviour, request_id))


def _check_key(request: SeenRequest, api_key: str | None) -> Refusal | None:
    given = [key for key in (request.header("x-api-key"), bearer_token(request)) if key]
    if not given:
        return Refusal(401, ("x-api-key: header is required",))
    if api_key is not None and any(key != api_key for key in given):
        return Refusal(401, ("x-api-key: not the expected key",))
    return None
