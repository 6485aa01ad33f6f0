"""Refusals of conversations that are too long, where a vendor says it in another place than a status.

``tests/protocols/test_context_length.py`` has the words of every vendor, and what each client gets.
"""

import json
from typing import Any

from tests.server.vendors import LANES, Lane, Stand
from tests.serving import Reply
from tools.fake_upstream import Behaviour

HI: list[Any] = [{"role": "user", "content": "Hi"}]
MESSAGES = ("/llm/anthropic/v1/messages", {"model": "v/m", "max_tokens": 64, "messages": HI})
CHAT = ("/llm/openai/v1/chat/completions", {"model": "v/m", "messages": HI})
RESPONSES = ("/llm/openai/v1/responses", {"model": "v/m", "input": "Hi"})
CLAUDES = "Input is too long for requested model."
NOVAS = (
    "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length. "
    "Please update the input to try again."
)


def asked(stand: Stand, lane: Lane, behaviour: Behaviour, *calls: tuple[str, dict[str, Any]]) -> list[Reply]:
    """The replies to streaming calls."""
    house = stand(lane)
    house.upstream.default = behaviour
    replies = [house.nexus.post(path, body | {"stream": True}) for path, body in calls]
    assert house.upstream.violations == []
    return replies


def lane_of(name: str) -> Lane:
    return next(lane for lane in LANES if lane.name == name)


def inside(words: str) -> Behaviour:
    return Behaviour(error_after=0, error_type="ValidationException", message=words)


def test_an_anthropic_vendors_message_passes_byte_for_byte(stand: Stand) -> None:
    body = b'{"type":"error" ,"error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}'
    (reply,) = asked(stand, lane_of("anthropic"), Behaviour(status=400, body=body), MESSAGES)
    assert (reply.status, reply.body) == (400, body)


def test_novas_refusal_inside_a_200_becomes_a_400(stand: Stand) -> None:
    told, *openais = asked(stand, lane_of("bedrock converse"), inside(NOVAS), MESSAGES, CHAT, RESPONSES)
    assert (told.status, told.json["error"]["message"]) == (400, f"prompt is too long: {NOVAS}")
    assert [(reply.status, reply.json["error"]["code"]) for reply in openais] == [(400, "context_length_exceeded")] * 2


def test_claudes_refusal_inside_a_bedrock_stream_is_reported(stand: Stand) -> None:
    (reply,) = asked(stand, lane_of("bedrock claude"), inside(CLAUDES), MESSAGES)
    events = [line for line in reply.body.splitlines() if line.startswith(b"data: ")]
    said = {"type": "invalid_request_error", "message": f"prompt is too long: {CLAUDES}"}
    assert json.loads(events[-1][6:])["error"] == said
