"""The fake Bedrock runtime: InvokeModel for Claude, Converse, the streams of both, and CountTokens.

Pure functions from a request and a Behaviour to bytes; requests are checked against botocore's service model, streams
are real event-stream messages. Not imitated: whether a model exists, and in which region; the limits of single models
(except images in results); guardrails, prompt routers, async and bidirectional invocation, S3 sources (not fetched),
InvokeModel for families other than Claude, ``event-stream`` messages of type ``error``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from nexus.protocols.eventstream import event_message, exception_message
from tools.fake_upstream import embeddings, messages
from tools.fake_upstream.aws import converse, invoke, shapes, turns
from tools.fake_upstream.aws.sigv4 import signature_refusal
from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.validate import MOST_PROBLEMS
from tools.fake_upstream.vendors import Answer, Refusal, Rules, bearer_token, body_problem, compact, error_words

REQUEST_ID_HEADER = "x-amzn-requestid"
BASE_PATH = ""
TOKEN_PATHS: tuple[str, ...] = ()
EVENT_STREAM = "application/vnd.amazon.eventstream"
PATH = re.compile(r"/model/(.+)/([a-z-]+)")
OPERATIONS = {
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "count-tokens": "CountTokens",
}
ERRORS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    405: "UnknownOperationException",
    408: "ModelTimeoutException",
    413: "RequestEntityTooLargeException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
IN_BAND = "serviceUnavailableException"
MODEL_FAILED = ("modelerrorexception", "modelstreamerrorexception")
ORIGINAL_STATUS = 500


def warm_up() -> None:
    messages.warm_up()
    for operation in OPERATIONS.values():
        shapes.body_shape(operation)


def request_id(serial: int) -> str:
    return f"00000000-0000-4000-8000-{serial:012x}"


def check(request: SeenRequest, rules: Rules) -> Refusal | None:
    model, operation = _target(request)
    if operation is None:
        return Refusal(404, (f"{request.path}: no such path",), error_type="UnknownOperationException")
    if request.method != "POST":
        return Refusal(405, (f"{request.method} {request.path}: only POST",), (("allow", "POST"),))
    if refusal := _check_caller(request, rules):
        return refusal
    if problem := body_problem(request):
        return Refusal(400, (problem,))
    if rules.strict:
        found = [*shapes.uri_problems(operation, model), *_problems(request.json, model, operation)]
        found += _metadata_problems(request.header("x-amzn-bedrock-request-metadata"), operation)
        if found:
            return Refusal(400, tuple(found)[:MOST_PROBLEMS])
    return None


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    model, operation = _target(request)
    match operation:
        case "CountTokens":
            counted = behaviour.input_tokens + behaviour.cached_tokens + behaviour.cache_write_tokens
            return Answer(compact({"inputTokens": counted}))
        case "Converse":
            return Answer(compact(converse.whole(request.json, behaviour, serial)))
        case "ConverseStream":
            made = converse.events(request.json, behaviour, serial)
            frames = tuple(event_message(name, compact(payload)) for name, payload in made)
            return Answer(frames=frames, opening=1 + (b"contentBlockStart" in frames[1]), media_type=EVENT_STREAM)
    if embeddings.is_bedrocks(model):
        return embeddings.answer(request.json, model, "invoke", behaviour)
    whole = messages.message(request.json, _bare(model), behaviour, serial)
    if operation == "InvokeModel":
        return Answer(messages.unary(whole), headers=invoke.headers(behaviour))
    chunks = tuple(event_message("chunk", payload) for payload in invoke.event_payloads(whole, behaviour))
    about = (("x-amzn-bedrock-content-type", "application/json"),)
    return Answer(frames=chunks, opening=messages.OPENING, headers=about, media_type=EVENT_STREAM)


def error(request: SeenRequest, behaviour: Behaviour, request_id: str) -> Answer:
    usual = "InternalServerException" if behaviour.status >= 500 else "ValidationException"
    kind = behaviour.error_type or ERRORS.get(behaviour.status, usual)
    body = json.dumps(_words(behaviour, kind)).encode()
    return Answer(body, headers=(("x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"),))


def error_frame(request: SeenRequest, behaviour: Behaviour, request_id: str) -> bytes:
    kind = behaviour.error_type or IN_BAND
    return exception_message(kind[:1].lower() + kind[1:], compact(_words(behaviour, kind)))


def _target(request: SeenRequest) -> tuple[str, str | None]:
    """The model id and the operation, or None for the operation if the path is unknown."""
    match = PATH.fullmatch(request.route)
    return (unquote(match[1]), OPERATIONS.get(match[2])) if match else ("", None)


def _bare(model: str) -> str:
    """The model's name in Claude's answers: without region, family and version."""
    name = model.rpartition("/")[2].rpartition("anthropic.")[2]
    return re.sub(r"(-v\d+)?(:\d+)?$", "", name)


_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}", re.ASCII)


def _metadata_problems(header: str | None, operation: str) -> Iterator[str]:
    """Problems with the metadata header: InvokeModel takes as a header what Converse takes in its body."""
    if header is None:
        return
    if not operation.startswith("InvokeModel"):
        yield f"requestMetadata: {operation} takes no header"
        return
    try:
        given = json.loads(header)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not 1 <= len(given) <= 16:
        yield "requestMetadata: must be an object of 1 to 16 members"
        return
    for name, value in given.items():
        if not name or not isinstance(value, str) or not _METADATA.fullmatch(name) or not _METADATA.fullmatch(value):
            yield f"requestMetadata.{name}: does not fit"


def _check_caller(request: SeenRequest, rules: Rules) -> Refusal | None:
    token = bearer_token(request)
    if token is None:
        return signature_refusal(request, rules)
    if rules.api_key is not None and token != rules.api_key:
        return Refusal(403, ("authorization: not the expected key",))
    return None


def _problems(body: dict[str, Any], model: str, operation: str) -> Iterator[str]:
    if embeddings.is_bedrocks(model):
        yield from embeddings.problems(body, model, "invoke")
        return
    if operation.startswith("InvokeModel"):
        yield from invoke.invoke_problems(body, model)
        return
    found = list(shapes.shape_problems(shapes.body_shape(operation), body))
    yield from found
    if found:
        return
    if operation.startswith("Converse"):
        yield from turns.semantic_problems(body, model)
        if operation == "ConverseStream" and "toolConfig" in body and "meta.llama" in model:
            yield "This model doesn't support tool use in streaming mode."
    elif "converse" in body["input"]:
        yield from turns.semantic_problems(body["input"]["converse"], model)
    else:
        yield from _counted(body["input"]["invokeModel"]["body"], model)


def _counted(raw: str, model: str) -> Iterator[str]:
    try:
        body = json.loads(base64.b64decode(raw, validate=True))
    except (binascii.Error, ValueError):
        body = None
    if isinstance(body, dict):
        yield from invoke.invoke_problems(body, model)
    else:
        yield "input.invokeModel.body: not a JSON object in base64"


def _words(behaviour: Behaviour, kind: str) -> dict[str, Any]:
    words: dict[str, Any] = {"message": error_words(behaviour)}
    if kind.lower() in MODEL_FAILED:
        words |= {"originalStatusCode": ORIGINAL_STATUS, "originalMessage": "The model failed."}
    return words
