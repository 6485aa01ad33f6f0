"""The fake OpenAI's other endpoints: embeddings, completions, moderations, images, audio, and ranking.

Law: bodies are checked against the SDK's published types, forms are read by Python's own parser, and answers validate
against the SDK's types. OpenAI has no ranking endpoint; its answer has the format of Jina and vLLM.
"""

from __future__ import annotations

import base64
import struct
from email import message_from_bytes
from email.policy import HTTP
from typing import Any

from tools.fake_upstream.behaviour import Behaviour
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.validate import problems
from tools.fake_upstream.vendors import Answer, compact, media_type_of, pieces

AUDIO = bytes(range(256)) * 64
IMAGE = base64.b64encode(b"\x89PNG fake").decode()
DIMENSIONS = 8
DONE = b"data: [DONE]\n\n"

_TYPES = "openai.types."
JSON_BODIES = {
    "/v1/embeddings": _TYPES + "embedding_create_params:EmbeddingCreateParams",
    "/v1/completions": _TYPES + "completion_create_params:CompletionCreateParamsBase",
    "/v1/moderations": _TYPES + "moderation_create_params:ModerationCreateParams",
    "/v1/images/generations": _TYPES + "image_generate_params:ImageGenerateParamsBase",
    "/v1/audio/speech": _TYPES + "audio.speech_create_params:SpeechCreateParams",
    "/v1/rerank": "",
}
FORMS = {
    "/v1/images/edits": frozenset({"model", "prompt", "image"}),
    "/v1/images/variations": frozenset({"image"}),
    "/v1/audio/transcriptions": frozenset({"model", "file"}),
    "/v1/audio/translations": frozenset({"model", "file"}),
}
PATHS = frozenset({*JSON_BODIES, *FORMS})


def form_of(request: SeenRequest) -> dict[str, bytes]:
    """The fields of a form by name, read by Python's own parser; {} if the body is not a form."""
    head = f"content-type: {request.header('content-type')}\r\n\r\n".encode()
    parsed = message_from_bytes(head + request.body, policy=HTTP)
    found: dict[str, bytes] = {}
    for part in parsed.iter_parts():
        name = part.get_param("name", header="content-disposition")
        found[str(name).removesuffix("[]")] = bytes(part.get_payload(decode=True))
    return found


def body_problems(request: SeenRequest) -> tuple[str, ...]:
    if request.route in FORMS:
        if media_type_of(request) != "multipart/form-data":
            return (f"content-type: {media_type_of(request)}, not multipart/form-data",)
        missing = FORMS[request.route] - set(form_of(request))
        return tuple(f"{name}: missing" for name in sorted(missing))
    if not isinstance(request.json, dict):
        return ("body: not a JSON object",)
    published = JSON_BODIES[request.route]
    return problems(published, compact(request.json), allow=("stream",)) if published else ()


def answer(request: SeenRequest, behaviour: Behaviour, serial: int) -> Answer:
    match request.route:
        case "/v1/embeddings":
            return _embeddings(request.json, behaviour)
        case "/v1/completions":
            return _completions(request.json, behaviour, serial)
        case "/v1/moderations":
            return Answer(compact({"id": f"modr-{serial}", "model": request.json["model"], "results": []}))
        case "/v1/images/generations" | "/v1/images/edits" | "/v1/images/variations":
            return _images(request, behaviour)
        case "/v1/audio/speech":
            return _speech(request.json, behaviour)
        case "/v1/rerank":
            results = [{"index": i, "relevance_score": 0.5} for i in range(len(request.json["documents"]))]
            return Answer(compact({"model": request.json["model"], "results": results, "usage": {"total_tokens": 5}}))
        case _:
            return _transcript(form_of(request), behaviour)


def _usage(behaviour: Behaviour) -> dict[str, Any]:
    parts = {"input_tokens": behaviour.input_tokens, "output_tokens": behaviour.output_tokens}
    return parts | {"total_tokens": behaviour.input_tokens + behaviour.output_tokens}


def vector(size: int, index: int) -> list[float]:
    return [(index + 1) / 2 ** (place % 8 + 1) for place in range(size)]


def _embeddings(body: dict[str, Any], behaviour: Behaviour) -> Answer:
    asked = body["input"]
    several = isinstance(asked, list) and not (asked and isinstance(asked[0], int))
    data = []
    for index in range(len(asked) if several else 1):
        floats = vector(body.get("dimensions") or DIMENSIONS, index)
        packed = base64.b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()
        embedding = packed if body.get("encoding_format") == "base64" else floats
        data.append({"object": "embedding", "index": index, "embedding": embedding})
    used = {"prompt_tokens": behaviour.input_tokens, "total_tokens": behaviour.input_tokens}
    return Answer(compact({"object": "list", "data": data, "model": body["model"], "usage": used}))


def _completions(body: dict[str, Any], behaviour: Behaviour, serial: int) -> Answer:
    head = {"id": f"cmpl-{serial}", "object": "text_completion", "created": 1_700_000_000, "model": body["model"]}
    used = {"prompt_tokens": behaviour.input_tokens, "completion_tokens": behaviour.output_tokens}
    used["total_tokens"] = behaviour.input_tokens + behaviour.output_tokens

    def chunk(text: str, finish: str | None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]}

    if body.get("stream") is not True:
        return Answer(compact(chunk(behaviour.text, "stop") | {"usage": used}))
    frames = [chunk(piece, None) for piece in pieces(behaviour.text)] + [chunk("", "stop")]
    return Answer(frames=(*(b"data: " + compact(one) + b"\n\n" for one in frames), DONE))


def _images(request: SeenRequest, behaviour: Behaviour) -> Answer:
    form = form_of(request) if request.route in FORMS else {}
    if form.get("stream") != b"true" and not (not form and request.json.get("stream") is True):
        whole = {"created": 1_700_000_000, "data": [{"b64_json": IMAGE}], "usage": _usage(behaviour)}
        return Answer(compact(whole))
    kind = "image_edit" if form else "image_generation"
    events: list[dict[str, Any]] = [
        {"type": f"{kind}.partial_image", "b64_json": IMAGE, "partial_image_index": 0},
        {"type": f"{kind}.completed", "b64_json": IMAGE, "usage": _usage(behaviour)},
    ]
    return Answer(frames=tuple(_event(event) for event in events))


def _speech(body: dict[str, Any], behaviour: Behaviour) -> Answer:
    if body.get("stream_format") != "sse":
        return Answer(AUDIO, media_type="audio/mpeg")
    events: list[dict[str, Any]] = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(AUDIO[:64]).decode()},
        {"type": "speech.audio.done", "usage": _usage(behaviour)},
    ]
    return Answer(frames=tuple(_event(event) for event in events))


def _transcript(form: dict[str, bytes], behaviour: Behaviour) -> Answer:
    if form.get("stream") == b"true":
        events: list[dict[str, Any]] = [
            {"type": "transcript.text.delta", "delta": behaviour.text},
            {"type": "transcript.text.done", "text": behaviour.text, "usage": {"type": "tokens", **_usage(behaviour)}},
        ]
        return Answer(frames=tuple(_event(event) for event in events))
    if form.get("response_format") == b"text":
        return Answer(behaviour.text.encode() + b"\n", media_type="text/plain; charset=utf-8")
    return Answer(compact({"text": behaviour.text, "usage": {"type": "duration", "seconds": 3}}))


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\n".encode() + b"data: " + compact(event) + b"\n\n"
