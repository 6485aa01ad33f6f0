"""Answers without content: agents take them for the end of their task. Gemini sometimes ends an answer before its first
word, and answers when asked again; other models sometimes call a tool without naming it.
"""

from typing import Any

import pytest

from tests.server.vendors import DIALECTS, DISTINCT, HELLO, LANES, Lane, Stand
from tests.serving import PATHS
from tools.fake_upstream import Behaviour, Call, Text

EMPTY = Behaviour(parts=())
NO_CHOICE = Behaviour(body=b'{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":0}}')
NOTHING = Behaviour(body=b'{"usageMetadata":{"promptTokenCount":3},"modelVersion":"gemini-2.5-flash"}')
GEMINI, OPENAI = LANES[2], LANES[0]
ONCE = Lane("gemini without retries", "gemini", "gemini-2.5-flash", None, more="retries.attempts = 1\n")
ASKED: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99},
    "responses": {"input": "Hi"},
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", ASKED)
def test_gemini_is_asked_once_more(stand: Stand, client: str, stream: bool) -> None:
    house = stand(GEMINI)
    house.upstream.next(EMPTY)
    reply = house.nexus.post(PATHS[client], {**ASKED[client], "model": "v/m", "stream": stream})
    assert (reply.status, len(house.upstream.requests)) == (200, 2)
    assert HELLO.split()[-1].encode() in reply.body
    first, second = (request.body for request in house.upstream.requests)
    assert first == second


@pytest.mark.parametrize(("lane", "answer"), [(GEMINI, NOTHING), (OPENAI, Behaviour(body=b"")), (OPENAI, NO_CHOICE)])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_200_without_an_answer_is_a_failed_attempt(stand: Stand, lane: Lane, answer: Behaviour, stream: bool) -> None:
    house = stand(lane)
    house.upstream.next(answer)
    reply = house.nexus.messages({**ASKED["messages"], "model": "v/m", "stream": stream})
    assert (reply.status, len(house.upstream.requests)) == (200, 2)
    assert HELLO.split()[-1].encode() in reply.body


@pytest.mark.parametrize(("lane", "client"), [(OPENAI, "chat"), (LANES[1], "messages")], ids=["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_empty_body_is_explained_in_passthrough_too(stand: Stand, lane: Lane, client: str, stream: bool) -> None:
    house = stand(lane)
    house.upstream.default = Behaviour(body=b"")
    reply = house.nexus.post(PATHS[client], {**ASKED[client], "model": "v/m", "stream": stream})
    assert (reply.status, reply.json["error"]["message"]) == (502, "the vendor answered 200 without an answer")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_second_empty_answer_is_the_answer(stand: Stand, stream: bool) -> None:
    house = stand(GEMINI)
    house.upstream.next(EMPTY, EMPTY)
    reply = house.nexus.messages({**ASKED["messages"], "model": "v/m", "stream": stream})
    assert (reply.status, b'"end_turn"' in reply.body, len(house.upstream.requests)) == (200, True, 2)


@pytest.mark.parametrize(
    ("lane", "answer"),
    [
        (ONCE, EMPTY),
        (OPENAI, EMPTY),
        (GEMINI, Behaviour(parts=(), stop_reason="MAX_TOKENS")),
        (GEMINI, Behaviour(block_reason="SAFETY")),
        (GEMINI, Behaviour(parts=(Call("f"),))),
    ],
    ids=["no retries", "another vendor", "no room", "blocked", "a call"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_no_other_answer_is_repeated(stand: Stand, lane: Lane, answer: Behaviour, stream: bool) -> None:
    house = stand(lane)
    house.upstream.next(answer)
    assert house.nexus.messages({**ASKED["messages"], "model": "v/m", "stream": stream}).status == 200
    assert len(house.upstream.requests) == 1


CONVERSE = LANES[6]


@pytest.mark.parametrize(
    ("lane", "reason"),
    [
        (OPENAI, "error"),
        (OPENAI, "network_error"),
        (OPENAI, "tool_calls"),
        (OPENAI, "tool_use"),
        (CONVERSE, "malformed_tool_use"),
        (CONVERSE, "malformed_model_output"),
        (GEMINI, "MALFORMED_FUNCTION_CALL"),
    ],
    ids=lambda case: case if isinstance(case, str) else case.name,
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_nothing_before_a_failure_is_a_failed_attempt(stand: Stand, lane: Lane, reason: str, stream: bool) -> None:
    house = stand(lane)
    house.upstream.next(Behaviour(parts=(), stop_reason=reason))
    reply = house.nexus.messages({**ASKED["messages"], "model": "v/m", "stream": stream})
    assert (reply.status, len(house.upstream.requests)) == (200, 2)
    assert HELLO.split()[-1].encode() in reply.body


HI: dict[str, Any] = {"role": "user", "content": "Hi"}
CALLED: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [
            HI,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "no such tool"},
        ]
    },
    "messages": {
        "max_tokens": 99,
        "messages": [
            HI,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "no such tool"}]},
        ],
    },
    "responses": {
        "input": [
            HI,
            {"type": "function_call", "call_id": "c1", "name": "", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "no such tool"},
        ]
    },
}
NAMELESS = Call("", '{"file": "a"}')


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_a_call_of_no_tool_is_a_failed_attempt(stand: Stand, lane: Lane, stream: bool) -> None:
    house = stand(lane)
    house.upstream.next(Behaviour(parts=(NAMELESS,)))
    client = "chat" if lane.passes == "messages" else "messages"
    reply = house.nexus.post(PATHS[client], {**ASKED[client], "model": "v/m", "stream": stream})
    assert (reply.status, len(house.upstream.requests)) == (200, 2)
    assert HELLO.split()[-1].encode() in reply.body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_call_of_no_tool_after_text_does_not_end_the_turn(stand: Stand, stream: bool) -> None:
    house = stand(OPENAI)
    house.upstream.next(Behaviour(parts=(Text("Let me look."), NAMELESS)))
    reply = house.nexus.messages({**ASKED["messages"], "model": "v/m", "stream": stream})
    assert (reply.status, len(house.upstream.requests)) == (200, 1)
    assert b'"stop_reason":"max_tokens"' in reply.body and b'"native_finish_reason":"tool_calls"' in reply.body
    assert stream or reply.headers["x-nexus-dropped"] == "tool_calls"


@pytest.mark.parametrize("lane", DISTINCT, ids=lambda lane: lane.name)
@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
def test_a_conversation_with_a_call_of_no_tool_can_go_on(stand: Stand, lane: Lane, client: str) -> None:
    """Other gateways, and agents themselves, keep such calls."""
    if client == lane.passes:
        pytest.skip("passes through")
    house = stand(lane)
    reply = house.nexus.post(PATHS[client], {"model": "v/m", **CALLED[client]})
    assert (reply.status, house.upstream.violations) == (200, [])
    assert b'"name":""' not in house.upstream.requests[-1].body
