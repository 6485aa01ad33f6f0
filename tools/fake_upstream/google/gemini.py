"""The fake Gemini API: generateContent, its stream, and countTokens.

Pure functions from a request and a Behaviour to bytes. Not imitated: limits of single models (thinking levels, tools
together with a schema), quotas, files and cached contents, the Interactions and Live APIs, OAuth instead of a key.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from tools.fake_upstream import embeddings, fits
from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.google import errors, replies, shapes, turns
from tools.fake_upstream.google.spelling import spelled
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.validate import MOST_PROBLEMS
from tools.fake_upstream.vendors import Answer, Refusal, Rules, bearer_token, body_problem

REQUEST_ID_HEADER = "x-goog-request-id"
BASE_PATH = "/v1beta"
TOKEN_PATHS: tuple[str, ...] = ()
SERVICE = "generativelanguage.googleapis.com"
PATH = re.compile(
    r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent|countTokens|batchEmbedContents|embedContent)"
)


warm_up = shapes.warm_up


def request_id(serial: int) -> str:
    return f"fake-gemini-{serial:012d}"


def check(request: SeenRequest, rules: Rules) -> Refusal | None:
    match = PATH.fullmatch(request.route)
    if match is None:
        return Refusal(404, (f"{request.path}: no such path",))
    if request.method != "POST":
        return Refusal(405, (f"{request.method} {request.path}: only POST",), (("allow", "POST"),))
    if refusal := _check_key(request, rules.api_key) or alt_refusal(request):
        return refusal
    if problem := body_problem(request):
        return Refusal(400, (problem,))
    if rules.strict and (found := _problems(request.json, match[1], match[2])):
        return Refusal(400, found)
    return None


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    if request.route.endswith(":countTokens"):
        return replies.counted(behaviour, vertex=False)
    if (match := PATH.fullmatch(request.route)) and match[2] == embeddings.GEMINI_VERB:
        return embeddings.answer(request.json, match[1], match[2], behaviour)
    if match and match[2] == "embedContent":
        return embeddings.one(request.json, match[1], behaviour)
    return replies.generated(request, behaviour, serial, vertex=False)


def error(request: SeenRequest, behaviour: Behaviour, request_id: str) -> Answer:
    return Answer(errors.body(behaviour, SERVICE))


def error_frame(request: SeenRequest, behaviour: Behaviour, request_id: str) -> bytes:
    return errors.body(behaviour, SERVICE)


def alt_refusal(request: SeenRequest) -> Refusal | None:
    wanted = "sse" if request.route.endswith(":streamGenerateContent") else "json"
    given = parse_qs(request.query, keep_blank_values=True)
    if given.pop("alt", ["json"]) != [wanted]:
        return Refusal(400, (f"alt: must be {wanted} here",))
    if given:
        return Refusal(400, (f"{', '.join(given)}: unknown query parameter",))
    return None


def content_problems(body: dict[str, Any], model: str, *, vertex: bool) -> tuple[str, ...]:
    body = spelled(body)
    found = shapes.shape_problems(body, vertex=vertex)
    media = () if found else fits.gemini_problems(body.get("contents") or [])
    return found or (*turns.semantic_problems(body, model, vertex=vertex), *media)[:MOST_PROBLEMS]


def _check_key(request: SeenRequest, api_key: str | None) -> Refusal | None:
    if any(name in parse_qs(request.query, keep_blank_values=True) for name in ("key", "access_token")):
        return Refusal(400, ("key: is in the URL, where logs keep it",))
    if bearer_token(request) is not None:
        return Refusal(401, ("authorization: a key, not a token, is expected",), error_code="CREDENTIALS_MISSING")
    given = request.header("x-goog-api-key")
    if not given:
        return Refusal(403, ("x-goog-api-key: header is required",))
    if api_key is not None and given != api_key:
        return Refusal(400, ("x-goog-api-key: not the expected key",), error_code="API_KEY_INVALID")
    return None


def _problems(body: dict[str, Any], model: str, method: str) -> tuple[str, ...]:
    if method == embeddings.GEMINI_VERB:
        return tuple(embeddings.problems(body, model, method))[:MOST_PROBLEMS]
    if method == "embedContent":
        one = {"requests": [{"model": f"models/{model}", **spelled(body)}]}
        return tuple(embeddings.problems(one, model, embeddings.GEMINI_VERB))[:MOST_PROBLEMS]
    if method != "countTokens":
        return content_problems(body, model, vertex=False)
    inner = body.get("generateContentRequest")
    if inner is None:
        stray = tuple(f"{key}: Extra inputs are not permitted" for key in body if key != "contents")
        return stray or content_problems(body, model, vertex=False)
    if len(body) > 1 or not isinstance(inner, dict):
        return ("generateContentRequest: must be an object, and stand alone",)
    if inner.get("model") != f"models/{model}":
        return (f"generateContentRequest.model: must be models/{model}",)
    return content_problems({key: value for key, value in inner.items() if key != "model"}, model, vertex=False)
