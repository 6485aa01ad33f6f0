"""The fake Vertex AI: Gemini and Claude models, and the endpoint that issues the access tokens for them.

Pure functions from a request and a Behaviour to bytes. Not imitated: whether project, location and model exist,
API keys instead of tokens (express mode), metadata servers, tuned and third-party models, Anthropic's ``vertex_event``.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from tools.fake_upstream import embeddings, messages
from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.google import errors, gemini, replies, shapes, tokens
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Answer, Refusal, Rules, bearer_token, body_problem, compact

REQUEST_ID_HEADER = "x-goog-request-id"
BASE_PATH = "/v1"
TOKEN_PATHS: tuple[str, ...] = (tokens.TOKEN_PATH,)
SERVICE = "aiplatform.googleapis.com"
ANTHROPIC_VERSION = "vertex-2023-10-16"
PLACE = r"/v1(?:beta1)?/projects/[^/]+/locations/[a-z0-9-]+/publishers"
GOOGLE = re.compile(
    PLACE + r"/google/models/([^/:]+):(generateContent|streamGenerateContent|countTokens|predict|embedContent)"
)
CLAUDE = re.compile(PLACE + r"/anthropic/models/([^/:]+):(rawPredict|streamRawPredict)")
# Betas that Vertex AI is known to accept; see providers/google/claude.py for the sources.
BETAS = (
    "claude-code-20250219",
    "compact-2026-01-12",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "thinking-binding-controls-2026-08-01",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
    "mid-conversation-system-2026-04-07",
)
REFUSED_FIELDS = ("service_tier", "inference_geo", "speed", "fallbacks", "diagnostics")
COUNTER = "count-tokens"
# Statuses that Google's front end answers itself to a request for Claude; all other errors are in Anthropic's format.
FRONT = (401, 403, 404, 429)


def warm_up() -> None:
    shapes.warm_up()
    messages.warm_up()


def request_id(serial: int) -> str:
    return f"fake-vertex-{serial:012d}"


def check(request: SeenRequest, rules: Rules) -> Refusal | None:
    if request.route == tokens.TOKEN_PATH:
        return tokens.check_grant(request, strict=rules.strict)
    google, claude = GOOGLE.fullmatch(request.route), CLAUDE.fullmatch(request.route)
    if google is None and claude is None:
        return Refusal(404, (f"{request.path}: no such path",))
    if request.method != "POST":
        return Refusal(405, (f"{request.method} {request.path}: only POST",), (("allow", "POST"),))
    if problem := tokens.token_problem(bearer_token(request), rules.api_key):
        return Refusal(401, (problem,), error_code="ACCESS_TOKEN_EXPIRED" if "expired" in problem else None)
    if google is not None and (refusal := gemini.alt_refusal(request)):
        return refusal
    if problem := body_problem(request):
        return Refusal(400, (problem,))
    if rules.strict and (found := _problems(request, google, claude)):
        return Refusal(400, found)
    return None


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    if request.route == tokens.TOKEN_PATH:
        return tokens.grant(behaviour, serial)
    if CLAUDE.fullmatch(request.route):
        return _claude(request, behaviour, serial)
    if request.route.endswith(":countTokens"):
        return replies.counted(behaviour, vertex=True)
    if (google := GOOGLE.fullmatch(request.route)) and google[2] in embeddings.VERTEX_VERBS:
        return embeddings.answer(request.json, google[1], google[2], behaviour)
    return replies.generated(request, behaviour, serial, vertex=True)


def error(request: SeenRequest, behaviour: Behaviour, request_id: str) -> Answer:
    if request.route == tokens.TOKEN_PATH:
        return tokens.grant_error(behaviour)
    if CLAUDE.fullmatch(request.route) and behaviour.status not in FRONT:
        return Answer(json.dumps(messages.error(behaviour, request_id)).encode())
    return Answer(errors.body(behaviour, SERVICE))


def error_frame(request: SeenRequest, behaviour: Behaviour, request_id: str) -> bytes:
    if CLAUDE.fullmatch(request.route):
        return messages.frame(messages.error(behaviour, request_id))
    return errors.body(behaviour, SERVICE)


def _claude(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    if request.model == COUNTER or f"/{COUNTER}:" in request.route:
        return Answer(compact(messages.count(behaviour)))
    whole = messages.message(request.json, request.model, behaviour, serial)
    return messages.stream(whole) if request.streams else Answer(messages.unary(whole))


_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


def _label_problems(labels: Any, most: int) -> tuple[str, ...]:
    if not isinstance(labels, dict) or len(labels) > most:
        return (f"labels: must be an object of at most {most} members",)
    return tuple(
        f"labels.{name}: does not fit"
        for name, value in labels.items()
        if not _LABEL.fullmatch(name) or not isinstance(value, str) or not _VALUE.fullmatch(value)
    )


def _labels_of_partner(header: str | None) -> tuple[str, ...]:
    """Problems with the labels of a partner's model: JSON in base64, in a header."""
    if header is None:
        return ()
    try:
        return _label_problems(json.loads(base64.b64decode(header, validate=True)), 32)
    except ValueError:
        return ("x-vertex-ai-labels: is not JSON in base64",)


def _problems(request: SeenRequest, google: re.Match[str] | None, claude: re.Match[str] | None) -> tuple[str, ...]:
    if google is not None and google[2] in embeddings.VERTEX_VERBS:
        return tuple(embeddings.problems(request.json, google[1], google[2]))
    if google is not None:
        stray = [key for key in request.json if key not in shapes.COUNTED]
        if google[2] == "countTokens" and stray:
            return tuple(f"{key}: Extra inputs are not permitted" for key in stray)
        wrong = _label_problems(request.json.get("labels", {}), 64)
        return wrong or gemini.content_problems(request.json, google[1], vertex=True)
    assert claude is not None
    wrong = _labels_of_partner(request.header("x-vertex-ai-labels"))
    return wrong or tuple(_claude_problems(request, claude[1], claude[2]))


def _claude_problems(request: SeenRequest, model: str, method: str) -> list[str]:
    body: dict[str, Any] = dict(request.json)
    counting = model == COUNTER
    found: list[str] = []
    if (version := body.pop("anthropic_version", None)) != ANTHROPIC_VERSION:
        found.append(f"anthropic_version: {version!r}, not {ANTHROPIC_VERSION}")
    if not counting and "model" in body:
        found.append("model: Extra inputs are not permitted")
    if (body.get("stream") is True) != (method == "streamRawPredict"):
        found.append(f"stream: does not go with {method}")
    betas = body.pop("anthropic_beta", [])
    if not isinstance(betas, list) or not all(isinstance(name, str) for name in betas):
        found.append("anthropic_beta: Input should be a list of strings")
    else:
        named = [name.strip() for name in (request.header("anthropic-beta") or "").split(",") if name.strip()]
        found += [
            f"Unexpected value(s) `{n}` for the `anthropic-beta` header." for n in (*named, *betas) if n not in BETAS
        ]
    found += [f"{n}: Extra inputs are not permitted" for n in REFUSED_FIELDS if n in body]
    found += messages.hosted_problems(body, model)
    found += [
        f"messages.{at}.role: Input should be 'user' or 'assistant'"
        for at, message in enumerate(body.get("messages") or ())
        if message.get("role") == "system"
    ]
    beta = bool(betas) or request.header("anthropic-beta") is not None
    # The types require the model, which is in the path here.
    shaped = body if counting else body | {"model": model}
    return found or list(messages.body_problems(shaped, beta=beta, counting=counting))
