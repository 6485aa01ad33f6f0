"""GenerateContentResponse, whole and streamed.

Pure functions from a request and a Behaviour to bytes, which validate against google-genai's types. Calls come whole,
as the API sends them. A call whose arguments are not a JSON object becomes MALFORMED_FUNCTION_CALL without the call.
Not imitated: redacted thinking (left out), several candidates, a stream without ``alt=sse``.
"""

from __future__ import annotations

from typing import Any

from tools.fake_upstream.behaviour import Behaviour, plan
from tools.fake_upstream.google.turns import needs_signatures
from tools.fake_upstream.parts import SIGNATURES, Call, Part, Text, Thinking, call_ids, signature_of
from tools.fake_upstream.request import SeenRequest
from tools.fake_upstream.vendors import Answer, compact, pieces

MALFORMED = "Malformed function call: "


def generated(request: SeenRequest, behaviour: Behaviour, serial: int, *, vertex: bool) -> Answer:
    model = request.model or ""
    about = {"modelVersion": model, "responseId": f"resp-{serial:08d}"}
    traffic = {"trafficType": "ON_DEMAND"} if vertex else {}
    if behaviour.block_reason:
        blocked = {"promptFeedback": {"blockReason": behaviour.block_reason}}
        return _answer(request, [blocked | {"usageMetadata": _usage(behaviour, 0) | traffic} | about])
    written = _written(request.json, model, behaviour, serial)
    steps = _pieces(written) if request.streams else [written]
    chunks = []
    for number, parts in enumerate(steps, 1):
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if number == len(steps):
            candidate |= _finish(request.json, behaviour)
        output = behaviour.output_tokens * number // len(steps)
        used = _usage(behaviour, max(output, behaviour.reasoning_tokens)) | traffic
        chunks.append({"candidates": [candidate], "usageMetadata": used} | about)
    return _answer(request, chunks)


def counted(behaviour: Behaviour, *, vertex: bool) -> Answer:
    total = _prompt(behaviour)
    value: dict[str, Any] = {"totalTokens": total}
    if vertex:
        value["totalBillableCharacters"] = 4 * total
    elif behaviour.cached_tokens:
        value["cachedContentTokenCount"] = behaviour.cached_tokens
    return Answer(compact(value))


def _answer(request: SeenRequest, chunks: list[dict[str, Any]]) -> Answer:
    if request.streams:
        return Answer(frames=tuple(frame(chunk) for chunk in chunks))
    return Answer(compact(chunks[0]))


def frame(value: Any) -> bytes:
    return b"data: " + compact(value) + b"\r\n\r\n"


def _plan(body: dict[str, Any], behaviour: Behaviour) -> list[Part]:
    names = [
        function.get("name") for tool in body.get("tools") or () for function in tool.get("functionDeclarations") or ()
    ]
    return plan(behaviour, next(iter(names), None))


def _written(body: dict[str, Any], model: str, behaviour: Behaviour, serial: int) -> list[dict[str, Any]]:
    """The parts of the whole answer; the signature is on the first call, else on the last text."""
    planned = _plan(body, behaviour)
    signature = SIGNATURES["gemini"] if needs_signatures(model) else ""
    parts: list[dict[str, Any]] = []
    for part, identity in zip(planned, call_ids(planned, f"fc_{serial:08d}"), strict=True):
        match part:
            case Text(text):
                parts.append({"text": text})
            case Thinking(text):
                parts.append({"text": text, "thought": True})
                signature = signature_of(part, "gemini")
            case Call() if part.value is not None:
                call = {"name": part.name, "args": part.value}
                parts.append({"functionCall": {"id": identity} | call})
            case Call():
                continue
    signed = next((part for part in parts if "functionCall" in part), None)
    signed = signed or next((part for part in reversed(parts) if "thought" not in part), None)
    if signed is not None and signature:
        signed["thoughtSignature"] = signature
    return parts


def _finish(body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    broken = [part for part in _plan(body, behaviour) if isinstance(part, Call) and part.value is None]
    if broken and behaviour.stop_reason is None:
        words = f"{MALFORMED}{broken[0].name}({broken[0].arguments})"
        return {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": words}
    return {"finishReason": behaviour.stop_reason or "STOP"}


def _pieces(parts: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The parts of each chunk: text word by word, then a text's signature on an empty text."""
    steps: list[list[dict[str, Any]]] = []
    for part in parts:
        if "text" not in part:
            steps.append([part])
            continue
        about = {"thought": True} if part.get("thought") else {}
        steps += [[{"text": piece} | about] for piece in pieces(part["text"])]
        if "thoughtSignature" in part:
            steps.append([{"text": "", "thoughtSignature": part["thoughtSignature"]}])
    return steps or [[]]


def _prompt(behaviour: Behaviour) -> int:
    return behaviour.input_tokens + behaviour.cached_tokens + behaviour.cache_write_tokens


def _usage(behaviour: Behaviour, output: int) -> dict[str, Any]:
    """Usage after ``output`` tokens: candidates and thoughts are disjoint, the prompt includes cached tokens."""
    thoughts = min(behaviour.reasoning_tokens, output)
    prompt = _prompt(behaviour)
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output - thoughts,
        "thoughtsTokenCount": thoughts,
        "cachedContentTokenCount": behaviour.cached_tokens,
        "totalTokenCount": prompt + output,
    }
    always = ("promptTokenCount", "totalTokenCount")
    details = [{"modality": "TEXT", "tokenCount": prompt}]
    return {key: value for key, value in counts.items() if value or key in always} | {"promptTokensDetails": details}
