"""Strict schemas that Claude's hosts cannot compile together: the answer is requested without them."""

import json
from typing import Any

import pytest

from tests.server.vendors import LANES, Lane, Stand
from tools.fake_upstream import Behaviour

REFUSAL = Behaviour(
    status=400,
    message="The compiled grammar is too large, which would cause performance issues. Simplify your tool schemas or "
    "reduce the number of strict tools.",
)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "strict": True, "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
HI: list[Any] = [{"role": "user", "content": "Hi"}]
CLAUDES = [lane for lane in LANES if lane.name in ("anthropic", "bedrock claude")]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("lane", CLAUDES, ids=lambda lane: lane.name)
def test_the_answer_is_requested_without_them(stand: Stand, lane: Lane, stream: bool) -> None:
    house = stand(lane)
    for _ in range(2):
        house.upstream.next(REFUSAL)
        reply = house.nexus.chat({"model": "v/m", "messages": HI, "tools": [TOOL], "stream": stream})
        assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, "tools.strict")
        refused, sent = (request.json["tools"][0] for request in house.upstream.requests[-2:])
        assert refused["strict"] is True and "strict" not in sent
    assert house.upstream.violations == []


@pytest.mark.parametrize("lane", CLAUDES, ids=lambda lane: lane.name)
def test_a_format_becomes_a_forced_tool(stand: Stand, lane: Lane) -> None:
    house = stand(lane)
    house.upstream.next(REFUSAL)
    house.upstream.next(Behaviour(tool_call=True))
    reply = house.nexus.chat({"model": "v/m", "messages": HI, "response_format": FORMAT})
    assert (reply.status, reply.headers["x-nexus-dropped"]) == (200, "response_format.strict")
    assert json.loads(reply.json["choices"][0]["message"]["content"]) == {"city": "Paris"}
    assert ["output_config" in request.json for request in house.upstream.requests[-2:]] == [True, False]


def test_a_messages_client_gets_the_refusal(stand: Stand) -> None:
    house = stand(CLAUDES[0])
    house.upstream.next(REFUSAL)
    assert house.nexus.messages({"model": "v/m", "max_tokens": 99, "messages": HI}).status == 400
